/**
 * Two columns of numbers, known by counts of bins of one layout. Rows lie evenly within a bin, as far as one knows: what
 * follows is off by less than a bin holds.
 */
import type { NumberColumn } from '../../../contracts/drift.ts';
import { cumulated, firstFrom } from '../statistics/cumulated.ts';
import { binsBetween, sturgesEdges } from '../statistics/sturges.ts';
import { binOf, leftOf } from './layout.ts';
import type { Layout } from './layout.ts';
import type { NumberCounts } from './statistics.ts';
import type { Both } from './table.ts';
import { weigh } from './values.ts';

/** A stretch of the line with the rows that are in it. */
interface Stretch {
  from: number;
  to: number;
  reference: number;
  current: number;
}

/** The same column in bins of this layout. */
export function rebinned(column: NumberColumn, layout: Layout): NumberColumn {
  if (column.layout) return column;
  const cells = new Map<number, number>();
  column.at.forEach((value, i) => {
    const bin = binOf(layout, value);
    cells.set(bin, (cells.get(bin) ?? 0) + column.counts[i]!);
  });
  const sorted = [...cells].sort(([a], [b]) => a - b);
  return { ...column, layout, at: sorted.map(([bin]) => bin), counts: sorted.map(([, n]) => n) };
}

/** @param sides of this layout, both with rows. @param whole both are of whole numbers */
export function countsOfBins(
  sides: Both<NumberColumn>,
  layout: Layout,
  whole: boolean,
): NumberCounts & { outOfRange: number } {
  const rows = { reference: rowsIn(sides.reference), current: rowsIn(sides.current) };
  const min = Math.min(sides.reference.min!, sides.current.min!);
  const max = Math.max(sides.reference.max!, sides.current.max!);
  const stretches = stretchesOf(sides, layout, { min, max });
  const below = belowIn(stretches);
  const edges = sturgesEdges({ min, max, whole, count: rows.reference + rows.current });
  const bins = binsBetween(edges, below, rows);
  const beyond = rows.current - below(sides.reference.max!).current;
  return {
    ...distancesIn(stretches, rows),
    ...{ rows, bins, binsOfDistinct: bins, std: deviationOf(stretches, rows.reference) },
    // A bin that only a part of which lies beyond is no evidence of anything beyond.
    outOfRange:
      (sides.current.min! < sides.reference.min! ? below(sides.reference.min!).current : 0) +
      (sides.current.max! > sides.reference.max! ? beyond : 0),
  };
}

const rowsIn = ({ counts }: NumberColumn): number => counts.reduce((sum, n) => sum + n, 0);

function stretchesOf(
  { reference, current }: Both<NumberColumn>,
  layout: Layout,
  { min, max }: { min: number; max: number },
): Stretch[] {
  return weigh(reference, current).map((counted) => ({
    from: Math.max(min, leftOf(layout, counted.value)),
    to: Math.max(min, Math.min(max, leftOf(layout, counted.value + 1))),
    reference: counted.reference,
    current: counted.current,
  }));
}

function distancesIn(stretches: readonly Stretch[], rows: Both<number>): { ks: number; wasserstein: number } {
  let [apart, largest, area, end] = [0, 0, 0, stretches[0]!.from];
  for (const { from, to, reference, current } of stretches) {
    area += Math.abs(apart) * (from - end);
    const after = apart + rows.current * reference - rows.reference * current;
    area += (to - from) * meanDistance(apart, after);
    [apart, end] = [after, to];
    largest = Math.max(largest, Math.abs(apart));
  }
  const unit = rows.reference * rows.current;
  return { ks: largest / unit, wasserstein: area / unit };
}

/** The mean of |y| along a straight line from a to b. */
function meanDistance(a: number, b: number): number {
  if (a * b >= 0) return Math.abs(a + b) / 2;
  return (a * a + b * b) / (2 * (Math.abs(a) + Math.abs(b)));
}

function belowIn(stretches: readonly Stretch[]): (edge: number) => Both<number> {
  const totals = cumulated(stretches);
  return (edge) => {
    const at = firstFrom(stretches, ({ to }) => to, edge);
    const [before, cut] = [totals[at]!, stretches[at]];
    if (!cut || edge <= cut.from) return before;
    const share = (edge - cut.from) / (cut.to - cut.from);
    return {
      reference: before.reference + share * cut.reference,
      current: before.current + share * cut.current,
    };
  };
}

/** Of the reference, rows spread evenly over each stretch. */
function deviationOf(stretches: readonly Stretch[], rows: number): number {
  const middle = ({ from, to }: Stretch) => (from + to) / 2;
  const mean = stretches.reduce((sum, one) => sum + one.reference * middle(one), 0) / rows;
  const squares = stretches.reduce((sum, one) => {
    const within = (one.to - one.from) ** 2 / 12;
    return sum + one.reference * ((middle(one) - mean) ** 2 + within);
  }, 0);
  return Math.sqrt(squares / rows);
}
