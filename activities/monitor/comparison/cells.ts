/**
 * A column of numbers, counted into a layout's bins in one scan; all that lies beyond them is in two bins more.
 *
 * Tens of thousands of bins a column are held as arrays of numbers, one a property, not as objects.
 */
import type { DuckDb } from '../../../infra/duckdb.ts';
import { clampedBinSql, positionSql, widthOf } from './layout.ts';
import type { Layout } from './layout.ts';
import { numberSql } from './table.ts';
import type { Table } from './table.ts';

/** The rows of one side by bin, rising; only bins that have rows. [bins] each. */
export interface Cells {
  bin: Float64Array;
  count: Float64Array;
  min: Float64Array;
  max: Float64Array;
  /** Sums of positions and of their squares, counted from the bin's own. */
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

/** @param squares whether their sums are wanted; they are NaN otherwise */
export async function countCells(
  db: DuckDb,
  { from, rows }: Table,
  column: string,
  { layout, squares }: { layout: Layout; squares: boolean },
): Promise<Counted> {
  const sql = `SELECT CAST(bin AS DOUBLE) AS bin, CAST(count(*) AS DOUBLE) AS count, min(f) AS min, max(f) AS max,
      sum(u - bin) AS sum, ${squares ? 'sum((u - bin) * (u - bin))' : "'nan'::DOUBLE"} AS squares
    FROM ${binnedSql(from, column, layout)} GROUP BY ALL ORDER BY ALL`;
  const chunks: Cells[] = [];
  for await (const { columns } of db.stream(sql)) chunks.push(columns as unknown as Cells);
  const cells = concatenated(chunks);
  const finite = cells.count.reduce((sum, count) => sum + count, 0);
  const infinite = finite === rows ? 0 : await countInfinite(db, from, column);
  return { nulls: rows - finite - infinite, infinite, finite, cells };
}

/** Finite rows as (f, u, bin). */
export const binnedSql = (from: string, column: string, layout: Layout): string =>
  `(SELECT f, u, ${clampedBinSql(layout, 'u')} AS bin FROM (
    SELECT f, ${positionSql(layout, 'f')} AS u FROM (SELECT ${numberSql(column)} AS f FROM ${from}) WHERE isfinite(f)))`;

function concatenated(parts: readonly Cells[]): Cells {
  const one = (name: keyof Cells) => {
    const all = new Float64Array(parts.reduce((sum, part) => sum + part[name].length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part[name], at);
      at += part[name].length;
    }
    return all;
  };
  const [bin, count, min, max] = [one('bin'), one('count'), one('min'), one('max')];
  return { bin, count, min, max, sum: one('sum'), squares: one('squares') };
}

export async function countInfinite(db: DuckDb, from: string, column: string): Promise<number> {
  const [found] = await db.rows<{ n: number }>(
    `SELECT count(*) AS n FROM ${from} WHERE isinf(${numberSql(column)})`,
  );
  return found!.n;
}

/** Of the population, in units of the column. */
export function deviationOf({ cells, finite }: Counted, layout: Layout): number {
  const { bin, count, sum, squares } = cells;
  const mean = bin.reduce((total, at, i) => total + (sum[i]! + count[i]! * at) / finite, 0);
  const spread = bin.reduce((total, at, i) => {
    const off = at - mean;
    return total + squares[i]! + 2 * off * sum[i]! + count[i]! * off * off;
  }, 0);
  return Math.sqrt(Math.max(0, spread) / finite) * widthOf(layout);
}
