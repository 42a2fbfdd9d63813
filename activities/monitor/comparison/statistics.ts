/** Every statistic of a column, from counts alone, however these were come by. */
import type { Statistics } from '../../../contracts/drift.ts';
import { rowsOf } from '../statistics/bins.ts';
import type { Bin } from '../statistics/bins.ts';
import { chiSquared, chiSquaredFit } from '../statistics/chi-squared.ts';
import { cumulated, firstFrom } from '../statistics/cumulated.ts';
import { hellinger } from '../statistics/hellinger.ts';
import { jensenShannon } from '../statistics/jensen-shannon.ts';
import { klDivergence } from '../statistics/kullback-leibler.ts';
import { kolmogorovSmirnov } from '../statistics/ks.ts';
import { lInfinity, totalVariation } from '../statistics/largest-difference.ts';
import { pooledChiSquared } from '../statistics/pooled-chi-squared.ts';
import { psi } from '../statistics/psi.ts';
import { binsBetween, sturgesEdges } from '../statistics/sturges.ts';
import { unseenValues } from '../statistics/unseen-values.ts';
import { distanceOf } from '../statistics/weighted-values.ts';
import type { Weighed } from '../statistics/weighted-values.ts';
import { zTest } from '../statistics/z-test.ts';
import type { Both } from './table.ts';

/** As Evidently: a reference with at most so many different numbers has a bin a value. */
export const binsByValueAtMost = 20;
/** What is divided by is at least this, for a constant has no deviation. */
const leastStd = 0.001;

const noNumbers: Statistics = {
  ...{ psi: null, klDivergence: null, jensenShannon: null, hellinger: null },
  ...{ wasserstein: null, wassersteinNormed: null, ks: null },
};

const noCategories: Statistics = {
  ...{ psi: null, klDivergence: null, jensenShannon: null, hellinger: null },
  ...{ chi2: null, chi2Pooled: null, unseen: null, chi2Fit: null, tvd: null, lInfinity: null },
};

/** @param bins one a value */
export function categoryStatistics(bins: readonly Bin[]): Statistics {
  if (rowsOf(bins, 'reference') === 0 || rowsOf(bins, 'current') === 0) return noCategories;
  const values = bins.reduce((sum, { alike = 1 }) => sum + alike, 0);
  return {
    ...{ psi: psi(bins), klDivergence: klDivergence(bins), jensenShannon: jensenShannon(bins) },
    ...{ hellinger: hellinger(bins), chi2: chiSquared(bins), chi2Fit: chiSquaredFit(bins) },
    chi2Pooled: pooledChiSquared(bins),
    unseen: unseenValues(bins),
    ...(values <= 2 && { z: zTest(bins.flatMap(apart)) }),
    ...{ tvd: totalVariation(bins), lInfinity: lInfinity(bins) },
  };
}

const apart = ({ alike = 1, ...bin }: Bin): Bin[] => Array.from({ length: alike }, () => bin);

export interface NumberCounts {
  ks: number;
  wasserstein: number;
  /** Of the reference. */
  std: number;
  /** Finite rows. */
  rows: Both<number>;
  bins: Bin[];
  binsOfDistinct: Bin[];
  /** A bin a value, where the reference has few of them. */
  byValue?: Bin[] | undefined;
}

/** @param counts absent where a side has no rows */
export function numberStatistics(counts: NumberCounts | undefined): Statistics {
  if (!counts) return noNumbers;
  const { ks, wasserstein, std, rows, bins, binsOfDistinct, byValue } = counts;
  const used = byValue ?? bins;
  return {
    ...{ psi: psi(used), klDivergence: klDivergence(used), jensenShannon: jensenShannon(used) },
    hellinger: hellinger(binsOfDistinct),
    ...{ wasserstein, wassersteinNormed: wasserstein / Math.max(std, leastStd) },
    ks: kolmogorovSmirnov(ks, rows.reference, rows.current),
    ...(byValue && {
      ...{
        chi2: chiSquared(byValue),
        chi2Fit: chiSquaredFit(byValue),
        chi2Pooled: pooledChiSquared(byValue),
      },
      ...{ tvd: totalVariation(byValue), lInfinity: lInfinity(byValue) },
    }),
  };
}

/** All that `numberStatistics` takes, from the values themselves. @param values ascending; both sides have rows */
export function countsOfValues(values: readonly Weighed[], whole: boolean): NumberCounts {
  const rows = { reference: rowsOf(values, 'reference'), current: rowsOf(values, 'current') };
  const spread = { min: values[0]!.value, max: values.at(-1)!.value, whole };
  const totals = cumulated(values);
  const below = (edge: number) => totals[firstFrom(values, ({ value }) => value, edge)]!;
  const binned = (count: number) => binsBetween(sturgesEdges({ ...spread, count }), below, { ...rows });
  const different = values.filter(({ reference }) => reference > 0).length;
  return {
    ...distanceOf(values),
    ...{ rows, std: deviationOf(values, rows.reference) },
    ...{ bins: binned(rows.reference + rows.current), binsOfDistinct: binned(values.length) },
    byValue: different <= binsByValueAtMost ? [...values] : undefined,
  };
}

/** Of the reference's population. */
function deviationOf(values: readonly Weighed[], rows: number): number {
  const origin = values[0]!.value;
  const mean = values.reduce((sum, { value, reference }) => sum + reference * (value - origin), 0) / rows;
  const squares = values.reduce(
    (sum, { value, reference }) => sum + reference * (value - origin - mean) ** 2,
    0,
  );
  return Math.sqrt(squares / rows);
}
