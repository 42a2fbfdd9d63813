/**
 * A table as counts: one scan a column (and a look at some of its rows, to lay the bins out), a few kilobytes a column,
 * and two summaries of one layout merge by adding.
 */
import type { CategoryColumn, NumberColumn, Summary, SummaryColumn } from '../../../contracts/drift.ts';
import type { DuckDb } from '../../../infra/duckdb.ts';
import { countInfinite } from './cells.ts';
import { layoutOf, sampleOf } from './layout.ts';
import type { Layout } from './layout.ts';
import { numberSql, textSql } from './table.ts';
import type { Table, TableColumn } from './table.ts';
import { tallyOf } from './tally.ts';
import { valuesAtMost } from './values.ts';

/** With 4,096 bins a distance of a million rows is known to some 0.05 %. */
const bins = 4_096;
/** Categories beyond the most frequent are told together. */
const categoriesAtMost = 10_000;

/**
 * @param columns to be summarised
 * @param like bins are laid out as there, so that both can be compared and merged
 */
export async function summarise(
  db: DuckDb,
  table: Table,
  columns: readonly TableColumn[],
  like?: Summary,
): Promise<Summary> {
  const summarised: SummaryColumn[] = [];
  for (const column of columns) {
    const model = like?.columns.find(({ name }) => name === column.name);
    summarised.push(
      column.kind === 'category'
        ? await categories(db, table, column.name)
        : await numbers(db, table, column, model && model.kind !== 'category' ? model : undefined),
    );
  }
  const { path: source, rows, skipped } = table;
  return { summary: 'esteira/1', source, rows, columns: summarised, skipped };
}

async function categories(db: DuckDb, { from, rows }: Table, name: string): Promise<CategoryColumn> {
  const value = textSql(name);
  await db.run(
    `CREATE OR REPLACE TABLE counted AS SELECT ${value} AS v, CAST(count(*) AS DOUBLE) AS n FROM ${from}
      WHERE ${value} IS NOT NULL GROUP BY v`,
  );
  const [total] = await db.rows<{ n: number | null; distinct: number }>(
    'SELECT sum(n) AS n, count(*) AS "distinct" FROM counted',
  );
  const values: string[] = [];
  const counts: number[] = [];
  for await (const chunk of db.stream(
    `SELECT v, n FROM counted ORDER BY n DESC, v LIMIT ${categoriesAtMost}`,
  )) {
    values.push(...(chunk.columns['v'] as string[]));
    counts.push(...(chunk.columns['n'] as Float64Array));
  }
  await db.run('DROP TABLE counted');
  const used = total!.n ?? 0;
  const kept = sumOf(counts);
  const others = { rows: used - kept, values: total!.distinct - values.length };
  return { name, kind: 'category', rows, nulls: rows - used, values, counts, others };
}

async function numbers(
  db: DuckDb,
  table: Table,
  { name, kind }: TableColumn,
  like: NumberColumn | undefined,
): Promise<NumberColumn> {
  const whole = kind === 'integer' ? 'integer' : 'number';
  const layout = like?.layout ?? undefined;
  if (layout) return counted(db, table, name, whole, layout);
  // So few rows have no more different numbers than that.
  if (table.rows <= valuesAtMost) {
    const own = (await valuesOf(db, table, name))!;
    return described(db, table, name, { kind: whole, layout: null, ...own });
  }
  const sample = await sampleOf(db, [table], name);
  const few = !sample || sample.distinct <= Math.min(valuesAtMost, sample.finite) / 2;
  const values = few ? await valuesOf(db, table, name) : undefined;
  if (values) return described(db, table, name, { kind: whole, layout: null, ...values });
  const range =
    like && like.min !== null && like.max !== null ? { low: like.min, high: like.max } : sample!.bulk;
  return counted(db, table, name, whole, layoutOf(range, bins));
}

/** @returns undefined when there are more than `valuesAtMost` */
async function valuesOf(db: DuckDb, { from }: Table, name: string) {
  const x = numberSql(name);
  const rows = await db.rows<{ v: number; n: number }>(
    `SELECT ${x} AS v, count(*) AS n FROM ${from} WHERE isfinite(${x}) GROUP BY v ORDER BY v LIMIT ${valuesAtMost + 1}`,
  );
  if (rows.length > valuesAtMost) return undefined;
  const at = rows.map(({ v }) => v);
  return { at, counts: rows.map(({ n }) => n), min: at[0] ?? null, max: at.at(-1) ?? null };
}

async function counted(
  db: DuckDb,
  table: Table,
  name: string,
  kind: NumberColumn['kind'],
  layout: Layout,
): Promise<NumberColumn> {
  const tally = tallyOf(layout);
  // Handed over and counted here: less than half of what grouping by the bin costs the engine.
  for await (const { columns } of db.stream(`SELECT ${numberSql(name)} AS f FROM ${table.from}`))
    tally.add(columns['f'] as Float64Array);
  const { at, counts, ...rest } = tally.counted();
  const nulls = table.rows - rest.infinite - sumOf(counts);
  return { name, kind, rows: table.rows, nulls, layout, at, counts, ...rest };
}

async function described(
  db: DuckDb,
  { from, rows }: Table,
  name: string,
  rest: Omit<NumberColumn, 'name' | 'rows' | 'nulls' | 'infinite'>,
): Promise<NumberColumn> {
  const finite = sumOf(rest.counts);
  const infinite = finite === rows ? 0 : await countInfinite(db, from, name);
  return { name, rows, nulls: rows - finite - infinite, infinite, ...rest };
}

const sumOf = (counts: readonly number[]): number => counts.reduce((sum, n) => sum + n, 0);
