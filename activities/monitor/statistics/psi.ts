/** Population stability index. */
import { filledShares } from './bins.ts';
import type { Bin } from './bins.ts';

/**
 * Σ (r − c) ln(r / c) over bins; 0 is no change, without an upper bound. A bin that one side lacks counts as nearly
 * empty (see `filledShares`), so the value depends on that constant where bins are empty.
 *
 * @see Evidently 0.7, `psi`
 */
export function psi(bins: readonly Bin[]): number {
  return filledShares(bins).reduce(
    (sum, { reference: r, current: c, alike }) => sum + alike * (r - c) * Math.log(r / c),
    0,
  );
}
