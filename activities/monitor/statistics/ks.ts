/** The two-sample Kolmogorov-Smirnov test, from its statistic on. */
import type { Tested } from './chi-squared.ts';
import { kolmogorovSurvival } from './kolmogorov.ts';

/** Up to so many rows on the larger side p is exact, as in SciPy's `method='auto'`. */
const exactAtMost = 10_000;

/**
 * p of D = max |F − G|, two-sided: counted over all orders of the rows when neither side has more than 10,000 rows, else
 * by the limit, with n = round(n₁ n₂ / (n₁ + n₂)). Values that occur on both sides make the true p smaller than this.
 *
 * @param reference rows of that side, at least 1. @param current alike
 * @see SciPy, `ks_2samp`
 */
export function kolmogorovSmirnov(statistic: number, reference: number, current: number): Tested {
  const [more, fewer] = [Math.max(reference, current), Math.min(reference, current)];
  const exact = more <= exactAtMost ? exactP(statistic, more, fewer) : NaN;
  // 0 and beyond are what rounding leaves of a tiny p: the limit knows better, and SciPy takes it too.
  if (exact >= 0 && exact <= 1) return { statistic, pValue: exact };
  const n = roundHalfEven((more * fewer) / (more + fewer));
  return { statistic, pValue: kolmogorovSurvival(Math.max(1, n), statistic) };
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

function exactP(statistic: number, more: number, fewer: number): number {
  const divisor = commonDivisor(more, fewer);
  const steps = Math.round(statistic * (more / divisor) * fewer);
  if (steps === 0) return 1;
  return more === fewer ? outsideSquare(more, steps) : outside(more, fewer, divisor, steps);
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

/**
 * The share of lattice paths from (0, 0) to (n, n) that reach the lines x − y = ±h: by reflection, an alternating sum
 * of binomials, which is taken from its inmost term.
 *
 * @see Hodges, "The significance probability of the Smirnov two-sample test", Ark. Mat. 3 (1958)
 */
function outsideSquare(n: number, h: number): number {
  let sum = 0;
  for (let k = Math.floor(n / h); k >= 0; k--) {
    let ratio = 1;
    for (let j = 0; j < h; j++) ratio *= (n - k * h - j) / (n + k * h + j + 1);
    sum = ratio * (1 - sum);
  }
  return 2 * sum;
}

/**
 * The share of paths from (0, 0) to (m, n) that reach |x / m − y / n| ≥ h / lcm(m, n), by recursion along columns: a
 * path is weighed by its chance to pass each point, so that nothing overflows, and what touches the border is added up
 * as it leaves.
 *
 * @see Viehmann, "Numerically more stable computation of the p-values for the two-sample Kolmogorov-Smirnov test" (2021)
 */
function outside(m: number, n: number, divisor: number, h: number): number {
  const [perColumn, perRow] = [n / divisor, m / divisor];
  // reached[y]: the share of paths to (x, y) that have touched; 1 outside of the band.
  let reached = new Float64Array(n + 1);
  for (let y = 0; y <= n; y++) reached[y] = y * perRow >= h ? 1 : 0;
  for (let x = 1; x <= m; x++) {
    const next = new Float64Array(n + 1);
    next[0] = x * perColumn >= h ? 1 : 0;
    // Far from the band every path has touched; only the band is computed.
    const low = Math.max(1, Math.ceil((x * perColumn - h) / perRow));
    const high = Math.min(n, Math.floor((x * perColumn + h) / perRow));
    next.fill(1, 1, low);
    next.fill(1, high + 1);
    for (let y = low; y <= high; y++) {
      if (Math.abs(x * perColumn - y * perRow) >= h) next[y] = 1;
      else next[y] = (reached[y]! * x + next[y - 1]! * y) / (x + y);
    }
    reached = next;
  }
  return reached[n]!;
}
