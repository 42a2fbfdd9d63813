/**
 * The regularised incomplete gamma function, from which the tails of χ² and of the normal distribution follow.
 *
 * @see Loader, "Fast and accurate computation of binomial probabilities" (2000), for factors that keep their digits when
 *   both arguments are large; DLMF 8.11.4 and 8.9.2 for the series and the continued fraction
 */

/** P(χ² with that many degrees of freedom ≥ statistic). @param dof at least 1 */
export function chiSquaredSurvival(statistic: number, dof: number): number {
  if (statistic === Infinity) return 0;
  return upperGamma(dof / 2, statistic / 2);
}

/** P(|Z| ≥ |z|) for a standard normal Z. */
export const twoSidedNormal = (z: number): number => (Number.isFinite(z) ? upperGamma(0.5, (z * z) / 2) : 0);

const digits = 1e-16;

/** Q(a, x) = Γ(a, x) / Γ(a), with a relative error of some 1e-14. @param a above 0. @param x at least 0 */
export function upperGamma(a: number, x: number): number {
  if (x <= 0) return 1;
  // x^a e^-x / Γ(a + 1)
  const factor = Math.exp(-stirlingError(a) - deviance(a, x)) / Math.sqrt(2 * Math.PI * a);
  return x < a + 1 ? 1 - factor * series(a, x) : factor * a * fraction(a, x);
}

/** Σ x^k / ((a + 1) … (a + k)) */
function series(a: number, x: number): number {
  let [term, sum] = [1, 1];
  for (let k = 1; term > sum * digits; k++) {
    term *= x / (a + k);
    sum += term;
  }
  return sum;
}

/** 1 / (x + 1 − a − 1(1 − a) / (x + 3 − a − …)), from the front (Lentz). */
function fraction(a: number, x: number): number {
  let b = x + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let value = d;
  for (let k = 1; k < 1e6; k++) {
    const numerator = -k * (k - a);
    b += 2;
    d = 1 / (numerator * d + b);
    c = b + numerator / c;
    value *= c * d;
    if (Math.abs(c * d - 1) < digits * 2) break;
  }
  return value;
}

/** ln Γ(n + 1) − (n + ½) ln n + n − ½ ln 2π: what Stirling's formula lacks. @param n above 0 */
export function stirlingError(n: number): number {
  if (n < 16) return stirlingError(n + 1) + (n + 0.5) * Math.log1p(1 / n) - 1;
  const square = n * n;
  const tail = 1 / 1680 - (1 / 1188 - 691 / 360_360 / square) / square;
  return (1 / 12 - (1 / 360 - (1 / 1260 - tail / square) / square) / square) / n;
}

/** x ln(x / m) + m − x without cancellation where x is near m. @param x at least 0. @param m above 0 */
export function deviance(x: number, m: number): number {
  if (x === 0) return m;
  if (Math.abs(x - m) >= 0.1 * (x + m)) return x * Math.log(x / m) + m - x;
  const v = (x - m) / (x + m);
  let sum = (x - m) * v;
  let power = 2 * x * v;
  for (let k = 3; k < 1_000; k += 2) {
    power *= v * v;
    const next = sum + power / k;
    if (next === sum) break;
    sum = next;
  }
  return sum;
}
