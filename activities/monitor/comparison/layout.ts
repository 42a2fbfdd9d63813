/**
 * Where the bins of a column lie: many of equal width where nearly all rows are, and on both sides of those bins that
 * grow with the distance, so that any number has its bin. Two histograms of one layout merge by adding their counts.
 */
import type { DuckDb } from '../../../infra/duckdb.ts';
import { doubleSql, numberSql } from './table.ts';
import type { Table } from './table.ts';

export interface Layout {
  low: number;
  high: number;
  /** Of equal width, between low and high. */
  bins: number;
}

/** Rows that are looked at to lay bins out, evenly from the whole of a file: the same each time. */
const sampled = 15_000;
/** The least and the most of the sample are told apart from what lies between these shares, and from its bulk. */
const shares = [0.001, 0.05, 0.95, 0.999];
/** Bins a doubling of the distance. */
const perDoubling = 128;

export interface Sample {
  /** Of the sampled rows. */
  distinct: number;
  finite: number;
  /** Where nearly all of it lies, and where nine tenths do. */
  whole: Range;
  bulk: Range;
}

export type Range = Pick<Layout, 'low' | 'high'>;

/** @returns undefined when no row has a finite number */
export async function sampleOf(
  db: DuckDb,
  tables: readonly Table[],
  column: string,
  rowsAbout = sampled,
): Promise<Sample | undefined> {
  const x = numberSql(column);
  const parts = tables.map(({ from, rows }) => {
    const stride = Math.max(1, Math.floor(rows / rowsAbout));
    return `SELECT ${x} AS f FROM ${from} WHERE file_row_number % ${stride} = 0 AND isfinite(${x})`;
  });
  const [found] = await db.rows<{ distinct: number; finite: number; edges: number[] | null }>(
    `SELECT count(DISTINCT f) AS "distinct", count(*) AS finite, quantile_disc(f, [${shares.join(', ')}]) AS edges
      FROM (${parts.join(' UNION ALL ')})`,
  );
  // Numbers may be so rare that no sampled row has one.
  if (!found?.edges) return rowsAbout === Infinity ? undefined : sampleOf(db, tables, column, Infinity);
  const [least, low, high, most] = found.edges as [number, number, number, number];
  const { distinct, finite } = found;
  return { distinct, finite, whole: { low: least, high: most }, bulk: { low, high } };
}

/** Around a constant, and where numbers are so near each other that no width can be told, bins are those about 1. */
export function layoutOf({ low, high }: Range, bins: number): Layout {
  return Number.isFinite(bins / (high - low))
    ? { low, high, bins }
    : { low: low - 0.5, high: high + 0.5, bins };
}

/** `u`: 0 at low, `bins` at high. */
export const scaleOf = ({ low, high, bins }: Layout): number => bins / (high - low);
export const positionSql = (layout: Layout, f: string): string =>
  `(${f} - ${doubleSql(layout.low)}) * ${doubleSql(scaleOf(layout))}`;
export const positionOf = (layout: Layout, value: number): number => (value - layout.low) * scaleOf(layout);
export const widthOf = (layout: Layout): number => 1 / scaleOf(layout);

/** For any finite number: what lies beyond is in one bin on each side, −1 and `bins`. */
export const clampedBinSql = ({ bins }: Layout, u: string): string =>
  `CAST(least(greatest(floor(${u}), -1), ${bins}) AS SMALLINT)`;

/** Bins that SMALLINT can number, so that DuckDB finds a group by its number alone. */
export const clampedBinsAtMost = 32_000;

export function binOf(layout: Layout, value: number): number {
  const u = positionOf(layout, value);
  return u >= 0 && u < layout.bins ? Math.floor(u) : beyond(layout, u);
}

const farthest = 1e300;
/** Bins on either side of those of equal width. */
export const beyondAtMost = Math.floor(perDoubling * Math.log2(farthest)) + 1;

/** The bin of a position that no bin of equal width has. */
export const beyond = ({ bins }: Layout, u: number): number =>
  u < 0
    ? -1 - Math.floor(perDoubling * Math.log2(Math.min(1 - u, farthest)))
    : bins + Math.floor(perDoubling * Math.log2(Math.min(1 + u - bins, farthest)));

/** The number at a bin's left border. */
export function leftOf(layout: Layout, bin: number): number {
  const { bins, low } = layout;
  let u = bin;
  if (bin < 0) u = 1 - 2 ** (-bin / perDoubling);
  if (bin > bins) u = bins - 1 + 2 ** ((bin - bins) / perDoubling);
  return low + u * widthOf(layout);
}
