/** Whether groups of people are served alike: gaps between their rates, with what chance may have to do with it. */
import type { Fairness } from '../../contracts/monitor.ts';
import { withInterval } from '../evaluate/bootstrap.ts';
import { random } from '../train/random.ts';
import type { SliceColumn } from '../evaluate/slices.ts';

/** Of each group, labelled rows by (actual, predicted). */
interface Counts {
  tp: number;
  fp: number;
  fn: number;
  tn: number;
}

const replicates = 200;
const groupsAtMost = 20;

/**
 * Binary classifiers, positive from 0.5 on. As Fairlearn: `between_groups` differences, the largest minus the least; of
 * equalized odds the larger of the gaps of both rates. But a rate of no rows is unknown, not 0, and a group below
 * `minGroup` does not decide.
 *
 * @param labels 0 or 1
 */
export function fairnessOf(
  labels: Float64Array,
  scores: Float32Array,
  columns: readonly SliceColumn[],
  minGroup: number,
): Fairness[] {
  return columns.map(({ column, values, index }) => {
    const counts = values.map((): Counts => ({ tp: 0, fp: 0, fn: 0, tn: 0 }));
    labels.forEach((label, row) => {
      const positive = scores[row]! >= 0.5;
      counts[index[row]!]![label === 1 ? (positive ? 'tp' : 'fn') : positive ? 'fp' : 'tn'] += 1;
    });
    const all = values
      .map((value, i) => ({ value, counts: counts[i]!, rows: rowsOf(counts[i]!) }))
      .toSorted((a, b) => b.rows - a.rows || (a.value < b.value ? -1 : 1));
    const large = all.filter(({ rows }) => rows >= minGroup).slice(0, groupsAtMost);
    const own = large.map((group) => group.counts);
    return {
      column,
      groups: large.map(({ value, rows, counts: group }) => ({ value, rows, ...ratesOf(group) })),
      small: all.filter(({ rows }) => rows < minGroup).length,
      demographicParityDifference: gapOf(own, parity),
      equalizedOddsDifference: gapOf(own, odds),
    };
  });
}

const rowsOf = ({ tp, fp, fn, tn }: Counts): number => tp + fp + fn + tn;
const rate = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole);

function ratesOf(group: Counts) {
  const { tp, fp, fn, tn } = group;
  return {
    selectionRate: rate(tp + fp, rowsOf(group)),
    truePositiveRate: rate(tp, tp + fn),
    falsePositiveRate: rate(fp, fp + tn),
  };
}

function between(rates: readonly (number | null)[]): number {
  const known = rates.filter((one) => one !== null);
  return known.length < 2 ? NaN : Math.max(...known) - Math.min(...known);
}

const parity = (groups: readonly Counts[]): number =>
  between(groups.map((group) => ratesOf(group).selectionRate));

function odds(groups: readonly Counts[]): number {
  const rates = groups.map(ratesOf);
  const gaps = [
    between(rates.map((one) => one.truePositiveRate)),
    between(rates.map((one) => one.falsePositiveRate)),
  ].filter(Number.isFinite);
  return gaps.length === 0 ? NaN : Math.max(...gaps);
}

/** Each group's rows drawn again, by its own shares. The interval is moved down by what drawing alone widens a gap by. */
function gapOf(
  groups: readonly Counts[],
  measure: (groups: readonly Counts[]) => number,
): Fairness['demographicParityDifference'] {
  const value = measure(groups);
  if (!Number.isFinite(value)) return null;
  const next = random(1);
  const drawn = Array.from({ length: replicates }, () =>
    measure(groups.map((group) => redrawn(group, next))),
  );
  const known = drawn.filter(Number.isFinite);
  const bias = known.reduce((sum, one) => sum + one, 0) / known.length - value;
  const { low, high } = withInterval(value, known);
  const least = (bound: number | null) => Math.max(0, (bound ?? value) - Math.max(0, bias));
  return { value, low: least(low), high: least(high) };
}

function redrawn(group: Counts, next: () => number): Counts {
  const { tp, fp, fn, tn } = group;
  const [a, b, c, d] = [tp, fp, fn, tn].map((n) => poissonLike(n, next)) as [number, number, number, number];
  return { tp: a, fp: b, fn: c, tn: d };
}

/** A Poisson draw; of many, a rounded normal one, which is as good. */
function poissonLike(mean: number, next: () => number): number {
  if (mean > 30) {
    const normal = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
    return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal));
  }
  let [count, product] = [0, next()];
  for (const limit = Math.exp(-mean); product > limit; product *= next()) count++;
  return count;
}
