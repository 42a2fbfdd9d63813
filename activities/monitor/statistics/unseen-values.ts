/** Whether more rows have a value that the reference lacks than chance brings. */
import { rowsOf } from './bins.ts';
import type { Bin } from './bins.ts';
import type { Tested } from './chi-squared.ts';

/**
 * Rows of the current side whose value the reference lacks, and an upper bound of the p of so many: where both sides are
 * drawn alike, a value of t rows has all of them on the current side with a known chance, and Chernoff's bound holds
 * for their sum, for of rows that are dealt out to two sides more here means fewer there.
 *
 * So a long tail of rare names, of which each window has new ones, raises no alarm, and thousands of rows under new ones do.
 *
 * @param bins one a value; both sides have rows
 * @see Joag-Dev and Proschan, "Negative association of random variables", Ann. Statist. 11 (1983)
 */
export function unseenValues(bins: readonly Bin[]): Tested {
  const [reference, current] = [rowsOf(bins, 'reference'), rowsOf(bins, 'current')];
  const byTotal = new Map<number, number>();
  let unseen = 0;
  for (const bin of bins) {
    const total = bin.reference + bin.current;
    byTotal.set(total, (byTotal.get(total) ?? 0) + (bin.alike ?? 1));
    if (bin.reference === 0) unseen += bin.current * (bin.alike ?? 1);
  }
  return { statistic: unseen, pValue: bound(withChances(byTotal, reference, current), unseen) };
}

interface Values {
  rows: number;
  /** How many values have so many rows. */
  alike: number;
  /** That all rows of one are on the current side. */
  chance: number;
}

/** One product serves all: the chance of t rows is that of t − 1, times that of the row that comes to them. */
function withChances(byTotal: Map<number, number>, reference: number, current: number): Values[] {
  let [chance, dealt] = [1, 0];
  return [...byTotal]
    .sort(([a], [b]) => a - b)
    .map(([rows, alike]) => {
      for (; dealt < rows && chance > 0; dealt++)
        chance *= Math.max(0, current - dealt) / (reference + current - dealt);
      return { rows, alike, chance };
    });
}

/** The least over s of E exp(s (U − unseen)): its logarithm is convex, and its slope is found to be 0 by halving. */
function bound(values: readonly Values[], unseen: number): number {
  const expected = values.reduce((sum, { rows, alike, chance }) => sum + rows * alike * chance, 0);
  if (unseen <= expected) return 1;
  const tilted = (s: number, { rows, chance }: Values) => {
    const weight = chance === 0 ? 0 : 1 / (1 + ((1 - chance) / chance) * Math.exp(-s * rows));
    return rows * weight;
  };
  const slope = (s: number) => values.reduce((sum, one) => sum + one.alike * tilted(s, one), 0) - unseen;
  let [low, high] = [0, 1];
  while (slope(high) < 0 && high < 1_000) high *= 2;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (slope(middle) < 0) low = middle;
    else high = middle;
  }
  const logarithm = values.reduce(
    (sum, { rows, alike, chance }) => sum + alike * logMean(chance, low * rows),
    -low * unseen,
  );
  return Math.min(1, Math.exp(logarithm));
}

/** log(1 + c (eˣ − 1)): of large x without its power, which has no number. */
function logMean(chance: number, x: number): number {
  if (chance === 0) return 0;
  return x < 30 ? Math.log1p(chance * Math.expm1(x)) : x + Math.log(chance + (1 - chance) * Math.exp(-x));
}
