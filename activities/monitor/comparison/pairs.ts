/** Both sides' bins beside each other, and what follows of |F − G| without looking at a row. */
import type { Below } from '../statistics/sturges.ts';
import type { Cells, Counted } from './cells.ts';
import { positionOf, widthOf } from './layout.ts';
import type { Layout } from './layout.ts';
import type { Both } from './table.ts';

/**
 * Rising; every bin that a side has rows in. [bins] each. Differences are of whole rows: of n reference and m current
 * rows, one of the reference counts m, one of the current side −n, so that nothing is rounded before the end.
 */
export interface Pairs {
  layout: Layout;
  all: Both<number>;
  bin: Float64Array;
  min: Float64Array;
  max: Float64Array;
  reference: Float64Array;
  current: Float64Array;
  /** The difference after all lower bins. [bins + 1] */
  below: Float64Array;
  /** Σ (last number of the bin − number) over a side's rows, weighed alike, in positions. */
  room: Float64Array;
}

export function pairsOf(reference: Counted, current: Counted, layout: Layout): Pairs {
  const all = { reference: reference.finite, current: current.finite };
  const [a, b] = [reference.cells, current.cells];
  const bin = Float64Array.from(new Set([...a.bin, ...b.bin])).sort();
  const zeros = () => new Float64Array(bin.length);
  const pairs: Pairs = {
    ...{ layout, all, bin, min: zeros().fill(Infinity), max: zeros().fill(-Infinity) },
    ...{ reference: zeros(), current: zeros(), room: zeros(), below: new Float64Array(bin.length + 1) },
  };
  const places = { reference: placesOf(a, bin), current: placesOf(b, bin) };
  for (const [side, cells] of [
    ['reference', a],
    ['current', b],
  ] as const) {
    for (const [i, at] of places[side].entries()) {
      pairs[side][at] = cells.count[i]!;
      pairs.min[at] = Math.min(pairs.min[at]!, cells.min[i]!);
      pairs.max[at] = Math.max(pairs.max[at]!, cells.max[i]!);
    }
  }
  addRoom(pairs, a, places.reference, all.current);
  addRoom(pairs, b, places.current, -all.reference);
  for (let at = 0; at < bin.length; at++)
    pairs.below[at + 1] = pairs.below[at]! + upOf(pairs, at) - downOf(pairs, at);
  return pairs;
}

/** Where each cell's bin is among all bins. */
function placesOf({ bin }: Cells, bins: Float64Array): Uint32Array {
  const places = new Uint32Array(bin.length);
  let at = 0;
  for (let i = 0; i < bin.length; i++) {
    while (bins[at] !== bin[i]) at++;
    places[i] = at;
  }
  return places;
}

function addRoom(pairs: Pairs, cells: Cells, places: Uint32Array, weight: number): void {
  for (const [i, at] of places.entries()) {
    const last = positionOf(pairs.layout, pairs.max[at]!) - pairs.bin[at]!;
    pairs.room[at]! += weight * (cells.count[i]! * last - cells.sum[i]!);
  }
}

const upOf = (pairs: Pairs, at: number): number => pairs.all.current * pairs.reference[at]!;
const downOf = (pairs: Pairs, at: number): number => pairs.all.reference * pairs.current[at]!;

/** The largest difference at the border of a bin. */
export const largestAtBorders = ({ below }: Pairs): number =>
  below.reduce((most, difference) => Math.max(most, Math.abs(difference)), 0);

/** The first bin that reaches a number or lies above it; as many as there are bins, if none does. */
export function placeOf({ max }: Pairs, number: number): number {
  let [low, high] = [0, max.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (max[middle]! < number) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether a number parts the rows of a bin. */
export const cuts = (pairs: Pairs, at: number, number: number): boolean =>
  at < pairs.bin.length && number > pairs.min[at]! && number <= pairs.max[at]!;

/** The places of bins whose rows must be looked at one by one, rising. */
export function openPlaces(pairs: Pairs, numbers: readonly number[]): number[] {
  const { bin, min, max, below } = pairs;
  const largest = largestAtBorders(pairs);
  const open = new Set(
    numbers.map((number) => placeOf(pairs, number)).filter((at, i) => cuts(pairs, at, numbers[i]!)),
  );
  for (let at = 0; at < bin.length; at++) {
    if (min[at] === max[at]) continue; // one number: there is nothing within it
    // All rows of one side may come first.
    const [high, low] = [below[at]! + upOf(pairs, at), below[at]! - downOf(pairs, at)];
    if ((low < 0 && high > 0) || Math.max(high, -low) > largest) open.add(at);
  }
  return [...open].sort((a, b) => a - b);
}

/** ∫ |difference| over all but the insides of open bins, in units of the column. */
export function areaOf(pairs: Pairs, open: readonly number[]): number {
  const { layout, bin, min, max, below, room } = pairs;
  const skipped = new Set(open);
  let area = 0;
  for (let at = 0; at < bin.length; at++) {
    if (at > 0) area += Math.abs(below[at]!) * (min[at]! - max[at - 1]!);
    if (skipped.has(at) || min[at] === max[at]) continue;
    // It keeps its sign within, so that the integral of the difference is that of its absolute value.
    const length = positionOf(layout, max[at]!) - positionOf(layout, min[at]!);
    area += Math.abs(below[at]! * length + room[at]!) * widthOf(layout);
  }
  return area;
}

/** @param within rows of a bin that are below a number which cuts it, by number */
export function belowIn(pairs: Pairs, within: ReadonlyMap<number, Both<number>>): Below {
  const totals = { reference: summed(pairs.reference), current: summed(pairs.current) };
  return (number) => {
    const at = placeOf(pairs, number);
    const some = within.get(number) ?? { reference: 0, current: 0 };
    return {
      reference: totals.reference[at]! + some.reference,
      current: totals.current[at]! + some.current,
    };
  };
}

/** [counts + 1] */
function summed(counts: Float64Array): Float64Array {
  const totals = new Float64Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) totals[i + 1] = totals[i]! + counts[i]!;
  return totals;
}
