/**
 * A column of numbers, counted into a layout's bins in two scans: the many bins inside, and all that lies beyond.
 *
 * Tens of thousands of bins a column are held as arrays of numbers, one a property, not as objects.
 */
import type { DuckDb } from '../../../infra/duckdb.ts';
import { innerBinSql, outerBinSql, positionSql, widthOf } from './layout.ts';
import type { Layout } from './layout.ts';
import { numberSql } from './table.ts';
import type { Table } from './table.ts';

/** The rows of one side by bin, rising; only bins that have rows. [bins] each. */
export interface Cells {
  bin: Float64Array;
  count: Float64Array;
  min: Float64Array;
  max: Float64Array;
  /** Sums of positions and of their squares, counted from the bin's own where it is inside, from 0 beyond. */
  sum: Float64Array;
  squares: Float64Array;
}

export interface Counted {
  /** Missing, or NaN. */
  nulls: number;
  infinite: number;
  finite: number;
  cells: Cells;
}

export async function countCells(
  db: DuckDb,
  { from, rows }: Table,
  column: string,
  layout: Layout,
): Promise<Counted> {
  const positions = `(SELECT f, ${positionSql(layout, 'f')} AS u FROM (SELECT ${numberSql(column)} AS f FROM ${from}))`;
  const counts = (bin: string, base: string, condition: string) =>
    `SELECT CAST(${bin} AS DOUBLE) AS bin, CAST(count(*) AS DOUBLE) AS count, min(f) AS min, max(f) AS max,
      sum(u - ${base}) AS sum, sum((u - ${base}) * (u - ${base})) AS squares
      FROM ${positions} WHERE ${condition} GROUP BY ${bin} ORDER BY ${bin}`;
  const within = `u >= 0 AND u < ${layout.bins}`;
  const inner = await read(db, counts(innerBinSql('u'), 'floor(u)', within));
  const outer = await read(db, counts(outerBinSql(layout, 'u'), '0', `NOT (${within}) AND isfinite(f)`));
  const cells = joined(outer, inner);
  const finite = cells.count.reduce((sum, count) => sum + count, 0);
  const infinite = finite === rows ? 0 : await countInfinite(db, from, column);
  return { nulls: rows - finite - infinite, infinite, finite, cells };
}

const names = ['bin', 'count', 'min', 'max', 'sum', 'squares'] as const;

async function read(db: DuckDb, sql: string): Promise<Cells> {
  const chunks: Cells[] = [];
  for await (const { columns } of db.stream(sql)) chunks.push(columns as unknown as Cells);
  return concatenated(chunks);
}

function concatenated(parts: readonly Cells[]): Cells {
  const one = (name: (typeof names)[number]) => {
    const all = new Float64Array(parts.reduce((sum, part) => sum + part[name].length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part[name], at);
      at += part[name].length;
    }
    return all;
  };
  return Object.fromEntries(names.map((name) => [name, one(name)])) as unknown as Cells;
}

/** What lies beyond has its place before and after the inner bins. */
function joined(outer: Cells, inner: Cells): Cells {
  const upper = outer.bin.findIndex((bin) => bin >= 0);
  const split = upper === -1 ? outer.bin.length : upper;
  const part = (from: number, to?: number) =>
    Object.fromEntries(names.map((name) => [name, outer[name].subarray(from, to)])) as unknown as Cells;
  return concatenated([part(0, split), inner, part(split)]);
}

export async function countInfinite(db: DuckDb, from: string, column: string): Promise<number> {
  const [found] = await db.rows<{ n: number }>(
    `SELECT count(*) AS n FROM ${from} WHERE isinf(${numberSql(column)})`,
  );
  return found!.n;
}

/** What a bin's sums are counted from. */
export const baseOf = (layout: Layout, bin: number): number => (bin >= 0 && bin < layout.bins ? bin : 0);

/** Of the population, in units of the column. */
export function deviationOf({ cells, finite }: Counted, layout: Layout): number {
  let mean = 0;
  for (const [i, bin] of cells.bin.entries())
    mean += (cells.sum[i]! + cells.count[i]! * baseOf(layout, bin)) / finite;
  let squares = 0;
  for (const [i, bin] of cells.bin.entries()) {
    const off = baseOf(layout, bin) - mean;
    squares += cells.squares[i]! + 2 * off * cells.sum[i]! + cells.count[i]! * off * off;
  }
  return Math.sqrt(Math.max(0, squares) / finite) * widthOf(layout);
}
