/** What each column of a table holds, one scan a column. */
import type { ProfileReport, ProfiledColumn } from '../../../contracts/drift.ts';
import type { DuckDb } from '../../../infra/duckdb.ts';
import { numberSql, textSql } from './table.ts';
import type { Table, TableColumn } from './table.ts';

const quantiles = [0.05, 0.25, 0.5, 0.75, 0.95];
const topAtMost = 5;
/** Different values and quantiles of more rows are estimated, in little memory. */
const exactAtMost = 1_000_000;

interface Sql {
  distinct(value: string): string;
  quantiles(value: string): string;
}
const exact: Sql = {
  distinct: (value) => `count(DISTINCT ${value})`,
  quantiles: (value) => `quantile_cont(${value}, [${quantiles.join(', ')}])`,
};
const estimated: Sql = {
  // An estimate may exceed the rows that there are.
  distinct: (value) => `least(approx_count_distinct(${value}), count(${value}))`,
  quantiles: (value) => `approx_quantile(${value}, [${quantiles.join(', ')}])`,
};

export async function profileTable(
  db: DuckDb,
  table: Table,
  columns: readonly TableColumn[],
): Promise<ProfileReport> {
  const sql = table.rows <= exactAtMost ? exact : estimated;
  const profiled: ProfiledColumn[] = [];
  for (const column of columns)
    profiled.push(
      column.kind === 'category' ? await text(db, table, column, sql) : await number(db, table, column, sql),
    );
  const skipped = table.skipped.map(({ name, type }) => ({ name, why: `${type} has no statistic` }));
  return { path: table.path, rows: table.rows, estimated: sql === estimated, columns: profiled, skipped };
}

async function number(
  db: DuckDb,
  { from, rows }: Table,
  { name, kind }: TableColumn,
  sql: Sql,
): Promise<ProfiledColumn> {
  const x = numberSql(name);
  const [found] = await db.rows<{
    finite: number;
    infinite: number;
    distinct: number;
    min: number | null;
    max: number | null;
    mean: number | null;
    std: number | null;
    quantiles: number[] | null;
  }>(
    `SELECT count(f) AS finite, count_if(isinf(x)) AS infinite, ${sql.distinct('f')} AS "distinct",
      min(f) AS min, max(f) AS max, favg(f) AS mean, stddev_pop(f) AS std, ${sql.quantiles('f')} AS quantiles
      FROM (SELECT x, CASE WHEN isfinite(x) THEN x END AS f FROM (SELECT ${x} AS x FROM ${from}))`,
  );
  const { finite, infinite, distinct, min, max, mean, std } = found!;
  const at = found!.quantiles;
  return {
    ...{ name, kind, nulls: rows - finite - infinite, distinct, infinite, min, max, mean, std },
    quantiles: at && Object.fromEntries(quantiles.map((share, i) => [String(share), at[i]!])),
  };
}

async function text(
  db: DuckDb,
  { from, rows }: Table,
  { name, kind }: TableColumn,
  sql: Sql,
): Promise<ProfiledColumn> {
  const value = textSql(name);
  const [found] = await db.rows<{ used: number; distinct: number }>(
    `SELECT count(${value}) AS used, ${sql.distinct(value)} AS "distinct" FROM ${from}`,
  );
  const top = await db.rows<{ value: string; rows: number }>(
    `SELECT ${value} AS value, count(*) AS rows FROM ${from} WHERE ${value} IS NOT NULL
      GROUP BY value ORDER BY rows DESC, value LIMIT ${topAtMost}`,
  );
  return { name, kind, nulls: rows - found!.used, distinct: found!.distinct, top };
}
