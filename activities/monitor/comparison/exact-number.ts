/**
 * Exact distances of two columns of many different numbers, without sorting them.
 *
 * Both sides are counted into the same fine bins. Where the distribution functions are farther apart than a bin can
 * bring them together, |F − G| keeps its sign in it, and its integral follows from the bin's sums. Only rows of the other
 * bins (some in a hundred), of those where the largest difference may be, and of those that an edge of Sturges' bins cuts,
 * are looked at one by one.
 */
import type { DuckDb } from '../../../infra/duckdb.ts';
import { binsBetween, sturgesEdges } from '../statistics/sturges.ts';
import type { Below, Spread } from '../statistics/sturges.ts';
import type { Bin } from '../statistics/bins.ts';
import { countCells, momentsOf } from './cells.ts';
import type { Cell, Counted } from './cells.ts';
import { layoutOf, positionOf, widthOf } from './layout.ts';
import type { Layout, Sample } from './layout.ts';
import { refine } from './refine.ts';
import { numberSql } from './table.ts';
import type { Both, Table } from './table.ts';

export interface NumberCells {
  reference: Counted;
  current: Counted;
  /** Undefined when a side has no finite number. */
  distances: NumberDistances | undefined;
}

export interface NumberDistances {
  /** Of the reference. */
  std: number;
  ks: number;
  wasserstein: number;
  /** Sturges' bins over all rows, and over all different values. */
  bins: Bin[];
  binsOfDistinct: Bin[];
  /** Current rows below the reference's smallest number, or above its largest. */
  outOfRange: number;
}

/** One bin with both its sides. Differences are of whole rows: `n` reference rows weigh as much as `m` current ones. */
export interface Pair {
  bin: number;
  reference: Cell | undefined;
  current: Cell | undefined;
  min: number;
  max: number;
  /** m × reference rows − n × current rows, of all lower bins. */
  below: number;
  /** What this bin adds to it, and takes from it. */
  up: number;
  down: number;
}

/** More bins leave fewer rows to look at, and cost more to count: the root of the rows times this is a fair middle. */
const binsPerRoot = 8;

/** @param whole both columns are of whole numbers */
export async function countNumbers(
  db: DuckDb,
  tables: Both<Table>,
  column: string,
  { sample, whole }: { sample: Sample; whole: boolean },
): Promise<NumberCells> {
  const rows = Math.max(tables.reference.rows, tables.current.rows);
  const bins = Math.min(65_536, Math.max(1_024, 2 ** Math.round(Math.log2(binsPerRoot * Math.sqrt(rows)))));
  const layout = layoutOf(sample, bins);
  const reference = await countCells(db, tables.reference, column, layout);
  const current = await countCells(db, tables.current, column, layout);
  if (reference.finite === 0 || current.finite === 0) return { reference, current, distances: undefined };
  const distances = await distancesOf(db, tables, column, { layout, whole, reference, current });
  return { reference, current, distances };
}

async function distancesOf(
  db: DuckDb,
  tables: Both<Table>,
  column: string,
  { layout, whole, reference, current }: Both<Counted> & { layout: Layout; whole: boolean },
): Promise<NumberDistances> {
  const all = { reference: reference.finite, current: current.finite };
  const pairs = paired(reference, current);
  const count = all.reference + all.current;
  const spread = { min: pairs[0]!.min, max: pairs.at(-1)!.max, whole, count };
  const edges = sturgesEdges(spread);
  const edgesOfDistinct = await distinctEdges(db, tables, column, spread);
  const [first, above] = [reference.cells[0]!.min, nextNumber(reference.cells.at(-1)!.max)];
  const cuts = [...edges.slice(1, -1), ...edgesOfDistinct.slice(1, -1), first, above];

  const look = refinable(pairs, cuts);
  const refined = await refine(db, tables, column, { layout, look, cuts, all });
  const below = belowOf(pairs, refined.below);
  const largest = pairs.reduce((most, pair) => Math.max(most, Math.abs(afterOf(pair))), refined.largest);
  const within = pairs.reduce(
    (sum, pair) => (look.has(pair.bin) ? sum : sum + areaWithin(pair, layout, all)),
    refined.area,
  );
  const unit = all.reference * all.current;
  return {
    std: momentsOf(reference, layout, widthOf(layout)).std,
    ...{ ks: largest / unit, wasserstein: (within + areaBetween(pairs)) / unit },
    bins: binsBetween(edges, below, all),
    binsOfDistinct: binsBetween(edgesOfDistinct, below, all),
    outOfRange: below(first).current + all.current - below(above).current,
  };
}

const afterOf = ({ below, up, down }: Pair): number => below + up - down;

function paired(reference: Counted, current: Counted): Pair[] {
  const sides = new Map<number, { reference?: Cell; current?: Cell }>();
  for (const cell of reference.cells) sides.set(cell.bin, { reference: cell });
  for (const cell of current.cells) sides.set(cell.bin, { ...sides.get(cell.bin), current: cell });
  let below = 0;
  return [...sides]
    .sort(([a], [b]) => a - b)
    .map(([bin, { reference: r, current: c }]) => {
      const pair: Pair = {
        ...{ bin, reference: r, current: c, below },
        up: current.finite * (r?.count ?? 0),
        down: reference.finite * (c?.count ?? 0),
        min: Math.min(r?.min ?? Infinity, c?.min ?? Infinity),
        max: Math.max(r?.max ?? -Infinity, c?.max ?? -Infinity),
      };
      below = afterOf(pair);
      return pair;
    });
}

/** The bins whose rows must be looked at, by number. */
function refinable(pairs: readonly Pair[], cuts: readonly number[]): Map<number, Pair> {
  const largest = pairs.reduce((most, pair) => Math.max(most, Math.abs(afterOf(pair))), 0);
  const look = new Map<number, Pair>();
  for (const pair of pairs) {
    if (pair.min === pair.max) continue; // one value: there is nothing within it
    // Within a bin all rows of one side may come first.
    const [high, low] = [pair.below + pair.up, pair.below - pair.down];
    const cut = cuts.some((edge) => edge > pair.min && edge <= pair.max);
    if (cut || (low < 0 && high > 0) || Math.max(high, -low) > largest) look.set(pair.bin, pair);
  }
  return look;
}

/** ∫ |m × #reference − n × #current| from a bin's first to its last number, where the difference keeps its sign. */
function areaWithin(pair: Pair, layout: Layout, all: Both<number>): number {
  if (pair.min === pair.max) return 0;
  const last = positionOf(layout, pair.max);
  const room = (cell: Cell | undefined) => (cell ? cell.count * (last - cell.base) - cell.sum : 0);
  const length = last - positionOf(layout, pair.min);
  const area = pair.below * length + all.current * room(pair.reference) - all.reference * room(pair.current);
  return Math.abs(area) * widthOf(layout);
}

/** The same from each bin's last number to the next bin's first. */
function areaBetween(pairs: readonly Pair[]): number {
  return pairs.reduce((sum, { below, min }, i) => {
    const before = pairs[i - 1];
    return before ? sum + Math.abs(below) * (min - before.max) : 0;
  }, 0);
}

/** @param within rows of a cut bin that are below the cut, by cut */
function belowOf(pairs: readonly Pair[], within: Map<number, Both<number>>): Below {
  const totals = [{ reference: 0, current: 0 }];
  for (const { reference, current } of pairs) {
    const last = totals.at(-1)!;
    totals.push({
      reference: last.reference + (reference?.count ?? 0),
      current: last.current + (current?.count ?? 0),
    });
  }
  return (edge) => {
    const at = pairs.findIndex(({ max }) => max >= edge);
    const lower = totals[at === -1 ? pairs.length : at]!;
    const some = within.get(edge) ?? { reference: 0, current: 0 };
    return { reference: lower.reference + some.reference, current: lower.current + some.current };
  };
}

/** Of numbers that are the same in one of these a share is counted, and the whole follows. */
const hashShare = 64;
const countedWhole = 200_000;

/**
 * Sturges' edges over different numbers. How many bins there are follows from the logarithm of how many numbers there
 * are, so an estimate will do unless it is near a border, where they are counted.
 */
async function distinctEdges(
  db: DuckDb,
  tables: Both<Table>,
  column: string,
  spread: Spread,
): Promise<number[]> {
  const f = numberSql(column);
  const count = async (condition: string) => {
    const side = ({ from }: Table) => `SELECT ${f} AS f FROM ${from} WHERE isfinite(${f}) ${condition}`;
    const [found] = await db.rows<{ n: number }>(
      `SELECT count(DISTINCT f) AS n FROM (${side(tables.reference)} UNION ALL ${side(tables.current)})`,
    );
    return found!.n;
  };
  if (spread.count > countedWhole) {
    const some = await count(`AND hash(${f}) % ${hashShare} = 0`);
    const error = 6 * Math.sqrt(some);
    const most = sturgesEdges({ ...spread, count: Math.min(spread.count, hashShare * (some + error)) });
    const least = sturgesEdges({ ...spread, count: Math.max(1, hashShare * (some - error)) });
    if (most.length === least.length) return most;
  }
  return sturgesEdges({ ...spread, count: await count('') });
}

/** The least double above a finite one. */
function nextNumber(value: number): number {
  if (value === 0) return Number.MIN_VALUE;
  const bits = new BigInt64Array(new Float64Array([value]).buffer);
  bits[0]! += value > 0 ? 1n : -1n;
  return new Float64Array(bits.buffer)[0]!;
}
