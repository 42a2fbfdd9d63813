/** z test of two proportions. */
import { rowsOf } from './bins.ts';
import type { Bin } from './bins.ts';
import type { Tested } from './chi-squared.ts';
import { twoSidedNormal } from './gamma.ts';

/**
 * Two-sided, variance pooled over both sides, without correction. One value alone on both sides gives 0, and a p of 1.
 *
 * @param bins two at most, one a value; which of them is first turns the sign only
 * @see Evidently 0.7, `z`
 */
export function zTest(bins: readonly Bin[]): Tested {
  const [n, m] = [rowsOf(bins, 'reference'), rowsOf(bins, 'current')];
  const [first] = bins;
  const pooled = (first!.reference + first!.current) / (n + m);
  const variance = pooled * (1 - pooled) * (1 / n + 1 / m);
  if (variance === 0) return { statistic: 0, pValue: 1 };
  const statistic = (first!.reference / n - first!.current / m) / Math.sqrt(variance);
  return { statistic, pValue: twoSidedNormal(statistic) };
}
