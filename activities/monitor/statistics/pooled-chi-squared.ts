/** χ² whose p holds for few rows in many categories: rare ones are taken together. */
import { rowsOf } from './bins.ts';
import type { Bin } from './bins.ts';
import { chiSquared } from './chi-squared.ts';
import type { Tested } from './chi-squared.ts';

/** Expected rows of a category on the smaller side; with fewer the statistic has not χ²'s distribution. */
const leastExpected = 5;

/**
 * As `chiSquared`, of the categories that have at least five expected rows on the smaller side, and of one that is all
 * others. Which they are is told by the rows of both sides together, so choosing them costs nothing of the p.
 *
 * Categories of which each is rare, such as names that occur once, say nothing: 0, and a p of 1.
 *
 * @see Cochran, "Some methods for strengthening the common χ² tests", Biometrics 10 (1954), for the five
 */
export function pooledChiSquared(bins: readonly Bin[]): Tested {
  const [reference, current] = [rowsOf(bins, 'reference'), rowsOf(bins, 'current')];
  const expected = (bin: Bin) =>
    ((bin.reference + bin.current) * Math.min(reference, current)) / (reference + current);
  const frequent = bins
    .filter((bin) => expected(bin) >= leastExpected)
    .toSorted((a, b) => expected(a) - expected(b));
  const rare = bins.filter((bin) => expected(bin) < leastExpected);
  const others = { reference: rowsOf(rare, 'reference'), current: rowsOf(rare, 'current') };
  if (expected(others) >= leastExpected) return chiSquared([...frequent, others]);
  const [least, ...more] = frequent;
  if (!least) return { statistic: 0, pValue: 1 };
  // Too few even together: they go with the rarest that is left.
  const { alike = 1, ...counts } = least;
  const joined = {
    reference: counts.reference + others.reference,
    current: counts.current + others.current,
  };
  return chiSquared([joined, ...(alike > 1 ? [{ ...counts, alike: alike - 1 }] : []), ...more]);
}
