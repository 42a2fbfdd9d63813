/**
 * P(D_n ≥ d) for Kolmogorov's two-sided statistic of n rows: what SciPy calls `kstwo.sf`.
 *
 * No one formula is good everywhere, so that the arguments choose: closed forms at both ends, twice the one-sided tail
 * where two crossings are as good as impossible, Durbin's matrix (exact) for few rows, the series of Pelz and Good in
 * the middle of many. Borders as in SciPy, so that both say the same where a formula is an approximation.
 *
 * @see Simard & L'Ecuyer, "Computing the two-sided Kolmogorov-Smirnov distribution", J. Stat. Softw. 39 (2011)
 */
import { deviance, stirlingError } from './gamma.ts';

/** @param n whole, at least 1. @param d from 0 to 1 */
export function kolmogorovSurvival(n: number, d: number): number {
  const t = n * d;
  if (d >= 1) return 0;
  if (t <= 0.5) return 1;
  if (t <= 1) return within(1 - Math.exp(logFactorialShare(n) + n * Math.log(2 * t - 1)));
  if (t >= n - 1) return within(2 * (1 - d) ** n);
  if (d >= 0.5) return within(2 * oneSided(n, d));
  const square = t * d;
  if (square >= 370) return 0;
  if (n <= 140) return within(square <= 4 ? 1 - durbin(n, d) : 2 * oneSided(n, d));
  if (square >= 2.2) return within(2 * oneSided(n, d));
  return within(1 - (n <= 100_000 && n * d ** 1.5 <= 1.4 ? durbin(n, d) : pelzGood(n, d)));
}

const within = (p: number): number => Math.min(1, Math.max(0, p));

/** ln(n! / n^n) */
const logFactorialShare = (n: number): number => stirlingError(n) - n + Math.log(2 * Math.PI * n) / 2;

const summedAtMost = 1_000_000;
/** Terms to add up at most. */
const termsAtMost = 5_000;

/**
 * P(D⁺_n ≥ d) by the formula of Smirnov: Σ over j of d / p · C(n, j) p^j (1 − p)^(n − j) with p = d + j / n.
 *
 * Of very many terms every so manieth is taken: they run smoothly from nothing to nothing, where a sum of points is as
 * good as the whole (Euler-Maclaurin).
 */
function oneSided(n: number, d: number): number {
  // Beyond, SciPy takes the limit with its first correction, which is off by some 1e-7 of p.
  if (n > summedAtMost) return Math.exp(-((6 * n * d + 1) ** 2) / (18 * n));
  const last = Math.floor(n * (1 - d));
  const step = Math.max(1, Math.floor(last / termsAtMost));
  let sum = 0;
  for (let j = 0; j <= last; j += step) {
    const p = d + j / n;
    if (p < 1) sum += (d / p) * binomial(n, j, p);
    else if (j === n) sum += d;
  }
  return sum * step;
}

/** C(n, j) p^j (1 − p)^(n − j). @see Loader (2000) */
function binomial(n: number, j: number, p: number): number {
  if (j === 0) return Math.exp(n * Math.log1p(-p));
  if (j === n) return p ** n;
  const log =
    stirlingError(n) -
    stirlingError(j) -
    stirlingError(n - j) -
    deviance(j, n * p) -
    deviance(n - j, n * (1 - p));
  return Math.exp(log) * Math.sqrt(n / (2 * Math.PI * j * (n - j)));
}

/** A number of any size, since factors of n^n come and go. */
interface Scaled {
  matrix: Float64Array;
  /** Powers of 2 that the matrix is to be multiplied by. */
  exponent: number;
}

/**
 * P(D_n < d): an entry of the n-th power of a matrix of 2k − 1 rows, k = ⌈nd⌉.
 *
 * @see Marsaglia, Tsang & Wang, "Evaluating Kolmogorov's distribution", J. Stat. Softw. 8 (2003), section 2
 */
function durbin(n: number, d: number): number {
  const k = Math.ceil(n * d);
  const h = k - n * d;
  const size = 2 * k - 1;
  const matrix = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      if (i - j + 1 < 0) continue;
      let entry = 1;
      if (j === 0) entry -= h ** (i + 1);
      if (i === size - 1) entry -= h ** (size - j);
      if (j === 0 && i === size - 1) entry += Math.max(0, 2 * h - 1) ** size;
      for (let g = 2; g <= i - j + 1; g++) entry /= g;
      matrix[i * size + j] = entry;
    }
  }
  const { matrix: raised, exponent } = power({ matrix, exponent: 0 }, size, n);
  const at = (k - 1) * size + (k - 1);
  return Math.exp(Math.log(raised[at]!) + exponent * Math.LN2 + logFactorialShare(n));
}

/** By squaring. */
function power(base: Scaled, size: number, n: number): Scaled {
  if (n === 1) return base;
  const half = power(base, size, Math.floor(n / 2));
  const square = scaled(product(half.matrix, half.matrix, size), 2 * half.exponent);
  if (n % 2 === 0) return square;
  return scaled(product(base.matrix, square.matrix, size), base.exponent + square.exponent);
}

function scaled(matrix: Float64Array, exponent: number): Scaled {
  const largest = matrix.reduce((most, entry) => Math.max(most, entry), 0);
  const shift = Math.floor(Math.log2(largest));
  if (Math.abs(shift) < 128) return { matrix, exponent };
  return { matrix: matrix.map((entry) => entry * 2 ** -shift), exponent: exponent + shift };
}

function product(a: Float64Array, b: Float64Array, size: number): Float64Array {
  const c = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let l = 0; l < size; l++) {
      const factor = a[i * size + l]!;
      if (factor === 0) continue;
      for (let j = 0; j < size; j++) c[i * size + j]! += factor * b[l * size + j]!;
    }
  }
  return c;
}

/**
 * P(D_n ≤ d) as K₀ + K₁ / √n + K₂ / n + K₃ / n^1.5 at z = d √n: Kolmogorov's limit and three corrections, each turned
 * into a series in q = exp(−π² / 8 z²) that converges fast for small z.
 *
 * @see Pelz & Good, "Approximating the lower tail-areas of the Kolmogorov-Smirnov one-sample statistic", JRSS B 38 (1976)
 */
function pelzGood(n: number, d: number): number {
  const z = Math.sqrt(n) * d;
  const [z2, z4, z6] = [z ** 2, z ** 4, z ** 6];
  const [pi2, pi4, pi6] = [Math.PI ** 2, Math.PI ** 4, Math.PI ** 6];
  const terms = Math.ceil((16 * z) / Math.PI);
  const k = [0, 0, 0, 0];
  for (let i = terms; i >= 1; i--) {
    const odd = (2 * i - 1) ** 2;
    const q = Math.exp((-pi2 * odd) / (8 * z2));
    k[0]! += q;
    k[1]! += q * ((pi2 / 4) * odd - z2);
    k[2]! +=
      q * (6 * z6 + 2 * z4 + ((2 * z4 - 5 * z2) * pi2 * odd) / 4 + (pi4 * (1 - 2 * z2) * odd ** 2) / 16);
    k[3]! +=
      q *
      (-30 * z6 -
        90 * z ** 8 +
        (pi2 * (135 * z4 - 96 * z6) * odd) / 4 +
        (pi4 * (212 * z4 - 60 * z2) * odd ** 2) / 16 +
        (pi6 * (5 - 30 * z2) * odd ** 3) / 64);
  }
  const [even2, even3] = evenTerms(z2, terms);
  const root = Math.sqrt(2 * Math.PI);
  return (
    (k[0]! * root) / z +
    (k[1]! * root) / (6 * z4) / Math.sqrt(n) +
    (root * (k[2]! / (72 * z ** 7) - (pi2 * even2) / (36 * z ** 3))) / n +
    (root * (k[3]! / (6_480 * z ** 10) + (pi2 * even3) / (216 * z6))) / n ** 1.5
  );
}

/** The sums of K₂ and K₃ that run over all whole numbers. */
function evenTerms(z2: number, terms: number): [number, number] {
  let [second, third] = [0, 0];
  for (let i = terms; i >= 1; i--) {
    const square = i * i;
    const q = Math.exp((-(Math.PI ** 2) * square) / (2 * z2));
    second += square * q;
    third += square * (3 * z2 - Math.PI ** 2 * square) * q;
  }
  return [second, third];
}
