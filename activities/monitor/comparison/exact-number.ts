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
import type { Spread } from '../statistics/sturges.ts';
import type { Bin } from '../statistics/bins.ts';
import { countCells, deviationOf } from './cells.ts';
import type { Counted } from './cells.ts';
import { clampedBinsAtMost, layoutOf } from './layout.ts';
import type { Layout, Sample } from './layout.ts';
import { areaOf, belowIn, largestAtBorders, openPlaces, pairsOf } from './pairs.ts';
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

/** More bins leave fewer rows to look at, and cost more to count: the root of the rows times this is a fair middle. */
const binsPerRoot = 16;

/** @param whole both columns are of whole numbers */
export async function countNumbers(
  db: DuckDb,
  tables: Both<Table>,
  column: string,
  { sample, whole }: { sample: Sample; whole: boolean },
): Promise<NumberCells> {
  const rows = Math.max(tables.reference.rows, tables.current.rows);
  const bins = Math.min(clampedBinsAtMost, Math.max(1_024, Math.round(binsPerRoot * Math.sqrt(rows))));
  const layout = layoutOf(sample.whole, bins);
  const reference = await countCells(db, tables.reference, column, { layout, squares: true });
  const current = await countCells(db, tables.current, column, { layout, squares: false });
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
  const pairs = pairsOf(reference, current, layout);
  const { all } = pairs;
  const spread = { min: pairs.min[0]!, max: pairs.max.at(-1)!, whole, count: all.reference + all.current };
  const edges = sturgesEdges(spread);
  const edgesOfDistinct = await distinctEdges(db, tables, column, spread);
  const [first, above] = [reference.cells.min[0]!, nextNumber(reference.cells.max.at(-1)!)];
  const numbers = [...edges.slice(1, -1), ...edgesOfDistinct.slice(1, -1), first, above];

  const open = openPlaces(pairs, numbers);
  const refined = await refine(db, tables, column, { pairs, open, numbers });
  const below = belowIn(pairs, refined.below);
  const unit = all.reference * all.current;
  return {
    std: deviationOf(reference, layout),
    ks: Math.max(largestAtBorders(pairs), refined.largest) / unit,
    wasserstein: (areaOf(pairs, open) + refined.area) / unit,
    bins: binsBetween(edges, below, all),
    binsOfDistinct: binsBetween(edgesOfDistinct, below, all),
    outOfRange: below(first).current + all.current - below(above).current,
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
