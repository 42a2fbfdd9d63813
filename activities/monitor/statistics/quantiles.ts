/** Quantiles of distributions: what is beyond so little of them. */
import { twoSidedNormal } from './gamma.ts';

/** @param p in (0, 1). @returns z with P(|Z| > z) = p, of a standard normal Z */
export function normalQuantile(p: number): number {
  let [low, high] = [0, 40];
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2;
    if (twoSidedNormal(middle) > p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * @param p in (0, 1). @returns t with P(|T| > t) = p; to some thousandths from six degrees on, of p from 1e-4 on
 * @see Abramowitz and Stegun, 26.7.5: the expansion about the normal quantile
 */
export function studentQuantile(p: number, degrees: number): number {
  const z = normalQuantile(p);
  const n = degrees;
  const terms = [
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
    (79 * z ** 9 + 776 * z ** 7 + 1_482 * z ** 5 - 1_920 * z ** 3 - 945 * z) / 92_160,
  ];
  return terms.reduce((sum, term, i) => sum + term / n ** (i + 1), z);
}
