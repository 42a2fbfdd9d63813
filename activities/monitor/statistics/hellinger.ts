/** Hellinger distance. */
import { sharesOf } from './bins.ts';
import type { Bin } from './bins.ts';

/**
 * √(1 − Σ √(r c)), from 0 (equal) to 1 (nothing in common).
 *
 * Taken as √(½ Σ (√r − √c)²), which is the same and keeps its digits near 0, where the other form is all rounding: two
 * equal sides give 0, not 1e-8.
 *
 * @see Evidently 0.7, `hellinger`; NannyML 0.13, `hellinger`
 */
export function hellinger(bins: readonly Bin[]): number {
  const squares = sharesOf(bins).reduce(
    (sum, { reference, current, alike }) => sum + alike * (Math.sqrt(reference) - Math.sqrt(current)) ** 2,
    0,
  );
  return Math.sqrt(squares / 2);
}
