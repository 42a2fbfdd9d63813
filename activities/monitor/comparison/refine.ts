/** The rows of some bins, one by one: sorted, summed and counted by DuckDB. */
import type { DuckDb } from '../../../infra/duckdb.ts';
import type { Pair } from './exact-number.ts';
import { innerBinSql, outerBinSql, positionSql } from './layout.ts';
import type { Layout } from './layout.ts';
import { doubleSql, numberSql } from './table.ts';
import type { Both, Table } from './table.ts';

export interface Refinement {
  layout: Layout;
  /** The bins to look into. */
  look: ReadonlyMap<number, Pair>;
  /** Numbers below which rows are to be counted. */
  cuts: readonly number[];
  /** Finite rows of each side. */
  all: Both<number>;
}

export interface Refined {
  /** Σ ∫ |m × #reference − n × #current| within these bins, and the largest of those differences. */
  area: number;
  largest: number;
  /** For each cut that lies in one of the bins: that bin's rows below it. */
  below: Map<number, Both<number>>;
}

export async function refine(
  db: DuckDb,
  { reference, current }: Both<Table>,
  column: string,
  { layout, look, cuts, all }: Refinement,
): Promise<Refined> {
  if (look.size === 0) return { area: 0, largest: 0, below: new Map() };
  const bins = [...look.values()].map(({ bin, below }) => `(${bin}, ${doubleSql(below)})`);
  await db.run('CREATE OR REPLACE TABLE look (bin INTEGER, below DOUBLE)');
  await db.run(`INSERT INTO look VALUES ${bins.join(', ')}`);
  await db.run(
    `CREATE OR REPLACE TABLE refined AS SELECT bin, f, sum(r) AS r, sum(c) AS c FROM (
      SELECT bin, f, CAST(count(*) AS DOUBLE) AS r, 0.0::DOUBLE AS c FROM ${rowsIn(reference, column, layout)} GROUP BY bin, f
      UNION ALL
      SELECT bin, f, 0, count(*) FROM ${rowsIn(current, column, layout)} GROUP BY bin, f
    ) GROUP BY bin, f`,
  );
  const [found] = await db.rows<{ area: number | null; largest: number | null }>(
    `SELECT sum(abs(d) * (next - f)) AS area, max(abs(d)) AS largest FROM (
      SELECT f, below + sum(${doubleSql(all.current)} * r - ${doubleSql(all.reference)} * c) OVER walk AS d,
        lead(f) OVER walk AS next
      FROM refined JOIN look USING (bin) WINDOW walk AS (PARTITION BY bin ORDER BY f ROWS UNBOUNDED PRECEDING))`,
  );
  const below = await countBelow(db, look, cuts);
  await db.run('DROP TABLE refined');
  await db.run('DROP TABLE look');
  return { area: found?.area ?? 0, largest: found?.largest ?? 0, below };
}

/** Rows of the bins in `look`, as (bin, f). */
function rowsIn({ from }: Table, column: string, layout: Layout): string {
  const positions = `(SELECT f, ${positionSql(layout, 'f')} AS u FROM (SELECT ${numberSql(column)} AS f FROM ${from}))`;
  const within = `u >= 0 AND u < ${layout.bins}`;
  return `(SELECT bin, f FROM (
      SELECT ${innerBinSql('u')} AS bin, f FROM ${positions} WHERE ${within}
      UNION ALL
      SELECT ${outerBinSql(layout, 'u')}, f FROM ${positions} WHERE NOT (${within}) AND isfinite(f)
    ) SEMI JOIN look USING (bin))`;
}

async function countBelow(
  db: DuckDb,
  look: ReadonlyMap<number, Pair>,
  cuts: readonly number[],
): Promise<Refined['below']> {
  const inside = cuts.flatMap((cut) => {
    const pair = [...look.values()].find(({ min, max }) => cut > min && cut <= max);
    return pair ? [{ cut, bin: pair.bin }] : [];
  });
  if (inside.length === 0) return new Map();
  const values = inside.map(({ cut, bin }) => `(${doubleSql(cut)}, ${bin})`);
  const rows = await db.rows<{ cut: number; r: number; c: number }>(
    `SELECT cut, sum(r) AS r, sum(c) AS c FROM refined
      JOIN (SELECT DISTINCT * FROM (VALUES ${values.join(', ')})) AS cuts(cut, bin) USING (bin) WHERE f < cut GROUP BY cut`,
  );
  return new Map(rows.map(({ cut, r, c }) => [cut, { reference: r, current: c }]));
}
