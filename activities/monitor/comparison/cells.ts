/** A column of numbers, counted into a layout's bins in two scans: the many bins inside, and all that lies beyond. */
import type { DuckDb } from '../../../infra/duckdb.ts';
import { innerBinSql, outerBinSql, positionSql } from './layout.ts';
import type { Layout } from './layout.ts';
import { numberSql } from './table.ts';
import type { Table } from './table.ts';

/** The rows of one side in one bin. */
export interface Cell {
  bin: number;
  count: number;
  min: number;
  max: number;
  /** Sums of positions and of their squares, counted from `base`. */
  base: number;
  sum: number;
  squares: number;
}

export interface Counted {
  rows: number;
  /** Missing, or NaN. */
  nulls: number;
  infinite: number;
  finite: number;
  /** By rising bin; only those that have rows. */
  cells: Cell[];
}

/** Bins of a side that have rows. With their sums everything that follows is exact. */
export async function countCells(
  db: DuckDb,
  { from, rows }: Table,
  column: string,
  layout: Layout,
): Promise<Counted> {
  const positions = `(SELECT f, ${positionSql(layout, 'f')} AS u FROM (SELECT ${numberSql(column)} AS f FROM ${from}))`;
  const sums = (base: string) =>
    `CAST(count(*) AS DOUBLE) AS n, min(f) AS low, max(f) AS high,
      sum(u - ${base}) AS total, sum((u - ${base}) * (u - ${base})) AS squares`;
  const within = `u >= 0 AND u < ${layout.bins}`;
  const inner = await cells(
    db,
    `SELECT ${innerBinSql('u')} AS bin, ${sums('floor(u)')} FROM ${positions} WHERE ${within} GROUP BY bin`,
    (bin) => bin,
  );
  // What is neither inside nor finite counts, too; only the finite ones have bins.
  const outer = await cells(
    db,
    `SELECT ${outerBinSql(layout, 'u')} AS bin, ${sums('0')} FROM ${positions}
      WHERE NOT (${within}) AND isfinite(f) GROUP BY bin`,
    () => 0,
  );
  const all = [...inner, ...outer].sort((a, b) => a.bin - b.bin);
  const finite = all.reduce((sum, { count }) => sum + count, 0);
  const infinite = finite === rows ? 0 : await countInfinite(db, from, column);
  return { rows, nulls: rows - finite - infinite, infinite, finite, cells: all };
}

async function cells(db: DuckDb, sql: string, baseOf: (bin: number) => number): Promise<Cell[]> {
  const found: Cell[] = [];
  for await (const { rows, columns } of db.stream(sql)) {
    const { bin, n, low, high, total, squares } = columns as Record<string, Float64Array>;
    for (let i = 0; i < rows; i++) {
      found.push({
        ...{ bin: bin![i]!, count: n![i]!, min: low![i]!, max: high![i]! },
        ...{ base: baseOf(bin![i]!), sum: total![i]!, squares: squares![i]! },
      });
    }
  }
  return found;
}

export async function countInfinite(db: DuckDb, from: string, column: string): Promise<number> {
  const [found] = await db.rows<{ n: number }>(
    `SELECT count(*) AS n FROM ${from} WHERE isinf(${numberSql(column)})`,
  );
  return found!.n;
}

/** Mean, and standard deviation of the population, in units of the column. */
export function momentsOf(counted: Counted, layout: Layout, width: number): { mean: number; std: number } {
  const { cells: all, finite } = counted;
  const center = all.reduce((sum, cell) => sum + cell.sum + cell.count * cell.base, 0) / finite;
  const squares = all.reduce((sum, { count, base, sum: total, squares: own }) => {
    const off = base - center;
    return sum + own + 2 * off * total + count * off * off;
  }, 0);
  return { mean: layout.low + center * width, std: Math.sqrt(Math.max(0, squares) / finite) * width };
}
