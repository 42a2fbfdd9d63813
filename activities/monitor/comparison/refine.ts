/** The rows of some bins, one by one: sorted, summed and counted by DuckDB. */
import type { DuckDb } from '../../../infra/duckdb.ts';
import { binnedSql } from './cells.ts';
import type { Layout } from './layout.ts';
import { cuts, placeOf } from './pairs.ts';
import type { Pairs } from './pairs.ts';
import { doubleSql } from './table.ts';
import type { Both, Table } from './table.ts';

export interface Refinement {
  pairs: Pairs;
  /** Places of the bins to look into. */
  open: readonly number[];
  /** Below which rows are to be counted. */
  numbers: readonly number[];
}

export interface Refined {
  /** Σ ∫ |m × #reference − n × #current| within these bins, and the largest of those differences. */
  area: number;
  largest: number;
  /** For each number that cuts one of the bins: that bin's rows below it. */
  below: Map<number, Both<number>>;
}

export async function refine(
  db: DuckDb,
  { reference, current }: Both<Table>,
  column: string,
  { pairs, open, numbers }: Refinement,
): Promise<Refined> {
  if (open.length === 0) return { area: 0, largest: 0, below: new Map() };
  const { layout, all } = pairs;
  const bins = open.map((at) => `(${pairs.bin[at]}, ${doubleSql(pairs.below[at]!)})`);
  await db.run('CREATE OR REPLACE TABLE look (bin SMALLINT, below DOUBLE)');
  await db.run(`INSERT INTO look VALUES ${bins.join(', ')}`);
  // `w`: how a row moves the difference. Equal numbers move it one after the other; it counts after the last of them.
  await db.run(
    `CREATE OR REPLACE TABLE refined AS
      SELECT bin, f, ${doubleSql(all.current)} AS w FROM ${rowsIn(reference, column, layout)}
      UNION ALL
      SELECT bin, f, ${doubleSql(-all.reference)} FROM ${rowsIn(current, column, layout)}`,
  );
  const [found] = await db.rows<{ area: number | null; largest: number | null }>(
    `SELECT sum(abs(d) * (next - f)) AS area, max(abs(d)) FILTER (WHERE next IS NULL OR next > f) AS largest FROM (
      SELECT f, below + sum(w) OVER walk AS d, lead(f) OVER walk AS next
      FROM refined JOIN look USING (bin) WINDOW walk AS (PARTITION BY bin ORDER BY f ROWS UNBOUNDED PRECEDING))`,
  );
  const below = await countBelow(db, pairs, numbers);
  await db.run('DROP TABLE refined');
  await db.run('DROP TABLE look');
  return { area: found?.area ?? 0, largest: found?.largest ?? 0, below };
}

/** Rows of the bins in `look`, as (bin, f). */
const rowsIn = ({ from }: Table, column: string, layout: Layout): string =>
  `(SELECT bin, f FROM ${binnedSql(from, column, layout)} JOIN look USING (bin))`;

async function countBelow(db: DuckDb, pairs: Pairs, numbers: readonly number[]): Promise<Refined['below']> {
  const inside = [...new Set(numbers)].flatMap((number) => {
    const at = placeOf(pairs, number);
    return cuts(pairs, at, number) ? [{ number, bin: pairs.bin[at]! }] : [];
  });
  if (inside.length === 0) return new Map();
  const values = inside.map(({ number, bin }) => `(${doubleSql(number)}, ${bin})`);
  const rows = await db.rows<{ cut: number; r: number; c: number }>(
    `SELECT cut, count(*) FILTER (w > 0) AS r, count(*) FILTER (w < 0) AS c FROM refined
      JOIN (VALUES ${values.join(', ')}) AS cuts(cut, bin) USING (bin) WHERE f < cut GROUP BY cut`,
  );
  return new Map(rows.map(({ cut, r, c }) => [cut, { reference: r, current: c }]));
}
