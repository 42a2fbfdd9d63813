/** Two columns as some twenty bars, for people to look at. */
import type { CategoryColumn, NumberColumn, SummaryColumn } from '../../../contracts/drift.ts';
import type { WindowDetails } from '../../../contracts/monitor.ts';
import { leftOf } from './layout.ts';

type Bins = WindowDetails['columns'][number]['bins'];

const numberBins = 20;
const categoryBins = 12;
/** Bars lie between these shares of the reference: what is beyond is in the bars at the ends. */
const tails = 0.005;

/** @param reference of the same kind as `current`, and of numbers in the same layout if both have one */
export function coarseBins(reference: SummaryColumn, current: SummaryColumn): Bins {
  if (reference.kind === 'category' && current.kind === 'category') return categories(reference, current);
  return numbers(reference as NumberColumn, current as NumberColumn);
}

function categories(reference: CategoryColumn, current: CategoryColumn): Bins {
  const now = new Map(current.values.map((value, i) => [value, current.counts[i]!]));
  const known = reference.values.slice(0, categoryBins);
  const strange = current.values.filter((value) => !reference.values.includes(value)).slice(0, 3);
  const values = [...known, ...strange];
  const before = new Map(reference.values.map((value, i) => [value, reference.counts[i]!]));
  const shares = (counts: Map<string, number>, { rows, nulls }: CategoryColumn) => {
    const named = values.map((value) => counts.get(value) ?? 0);
    const others = rows - nulls - named.reduce((sum, n) => sum + n, 0);
    return [...named, others].map((n) => share(n, rows - nulls));
  };
  return {
    values: [...values, '(others)'],
    reference: shares(before, reference),
    current: shares(now, current),
  };
}

function numbers(reference: NumberColumn, current: NumberColumn): Bins {
  const points = [pointsOf(reference), pointsOf(current)] as const;
  const origin = points[0].length > 0 ? points[0] : points[1];
  if (origin.length === 0) return { edges: [], reference: [], current: [] };
  const [low, high] = [quantile(origin, tails), quantile(origin, 1 - tails)];
  const bins = low < high ? numberBins : 1;
  const edges = Array.from({ length: bins + 1 }, (_, i) => low + ((high - low) * i) / bins);
  const [one, other] = points.map((side) => histogram(side, low, high, bins));
  return { edges, reference: one!, current: other! };
}

/** [value, rows], rising. */
type Points = [number, number][];

const pointsOf = ({ layout, at, counts }: NumberColumn): Points =>
  at.map((bin, i) => [layout ? (leftOf(layout, bin) + leftOf(layout, bin + 1)) / 2 : bin, counts[i]!]);

function quantile(points: Points, wanted: number): number {
  const all = points.reduce((sum, [, n]) => sum + n, 0);
  let seen = 0;
  for (const [value, n] of points) {
    seen += n;
    if (seen >= wanted * all) return value;
  }
  return points.at(-1)![0];
}

function histogram(points: Points, low: number, high: number, bins: number): number[] {
  const counts = Array.from({ length: bins }, () => 0);
  for (const [value, n] of points) {
    const bin = Math.floor(((value - low) / (high - low || 1)) * bins);
    counts[Math.min(Math.max(bin, 0), bins - 1)]! += n;
  }
  const all = counts.reduce((sum, n) => sum + n, 0);
  return counts.map((n) => share(n, all));
}

/** Four digits are enough to draw. */
const share = (part: number, whole: number): number =>
  whole === 0 ? 0 : Math.round((part / whole) * 1e4) / 1e4;
