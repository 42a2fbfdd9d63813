/** χ² of categories, in the two forms that are in use. */
import { rowsOf } from './bins.ts';
import type { Bin } from './bins.ts';
import { chiSquaredSurvival } from './gamma.ts';

export interface Tested {
  statistic: number;
  pValue: number;
}

/**
 * Homogeneity of both sides, which are both samples: 2 × k contingency table, with Yates' correction for two categories,
 * k − 1 degrees of freedom. One category alone gives 0, and a p of 1.
 *
 * @see NannyML 0.13, `chi2`; SciPy, `chi2_contingency`
 */
export function chiSquared(bins: readonly Bin[]): Tested {
  const [reference, current] = [rowsOf(bins, 'reference'), rowsOf(bins, 'current')];
  if (reference === 0 || current === 0) throw new Error('χ² takes rows on both sides');
  const seen = bins.filter((bin) => bin.reference + bin.current > 0);
  const dof = seen.reduce((sum, { alike = 1 }) => sum + alike, 0) - 1;
  if (dof < 1) return { statistic: 0, pValue: 1 };
  const statistic = seen.reduce((sum, bin) => {
    const both = bin.reference + bin.current;
    const cell = (observed: number, rows: number) => {
      const expected = (both * rows) / (reference + current);
      const distance = Math.abs(observed - expected);
      return (dof === 1 ? distance - Math.min(0.5, distance) : distance) ** 2 / expected;
    };
    return sum + (bin.alike ?? 1) * (cell(bin.reference, reference) + cell(bin.current, current));
  }, 0);
  return { statistic, pValue: chiSquaredSurvival(statistic, dof) };
}

/**
 * Goodness of fit: the reference taken for the truth, which makes it alarm too often when the reference is small. A
 * category that the reference lacks gives an infinite statistic, and a p of 0.
 *
 * @see Evidently 0.7, `chisquare`; SciPy, `chisquare`
 */
export function chiSquaredFit(bins: readonly Bin[]): Tested {
  const scale = rowsOf(bins, 'current') / rowsOf(bins, 'reference');
  const seen = bins.filter((bin) => bin.reference + bin.current > 0);
  const dof = seen.reduce((sum, { alike = 1 }) => sum + alike, 0) - 1;
  if (dof < 1) return { statistic: 0, pValue: 1 };
  const statistic = seen.reduce((sum, { reference, current, alike = 1 }) => {
    const expected = reference * scale;
    return sum + (alike * (current - expected) ** 2) / expected;
  }, 0);
  return { statistic, pValue: chiSquaredSurvival(statistic, dof) };
}
