/**
 * A table as counts: a scan of each column (and a look at some of its rows, to lay the bins out), a few kilobytes a column,
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
/** Columns of numbers that one scan hands over: more save little, and take memory. */
const columnsAtOnce = 5;

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
  const summarised = new Map<string, SummaryColumn>();
  const spread: Spread[] = [];
  for (const column of columns) {
    const { name, kind } = column;
    if (kind === 'category') {
      summarised.set(name, await categories(db, table, name));
      continue;
    }
    const model = like?.columns.find((one) => one.name === name);
    const found = await numbers(db, table, column, model && model.kind !== 'category' ? model : undefined);
    if ('bins' in found) spread.push({ column, layout: found });
    else summarised.set(name, found);
  }
  for (let i = 0; i < spread.length; i += columnsAtOnce)
    for (const column of await counted(db, table, spread.slice(i, i + columnsAtOnce)))
      summarised.set(column.name, column);
  const { path: source, rows, skipped } = table;
  const inOrder = columns.map(({ name }) => summarised.get(name)!);
  return { summary: 'esteira/1', source, rows, columns: inOrder, skipped };
}

/** Numbers that are counted into bins. */
interface Spread {
  column: TableColumn;
  layout: Layout;
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

/** @returns the layout of its bins, for a column of many different numbers */
async function numbers(
  db: DuckDb,
  table: Table,
  { name, kind }: TableColumn,
  like: NumberColumn | undefined,
): Promise<NumberColumn | Layout> {
  const whole = wholeOr(kind);
  if (like?.layout) return like.layout;
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
  return layoutOf(range, bins);
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

async function counted(db: DuckDb, table: Table, spread: readonly Spread[]): Promise<NumberColumn[]> {
  const tallies = spread.map(({ layout }) => tallyOf(layout));
  const list = spread.map(({ column }, i) => `${numberSql(column.name)} AS f${i}`).join(', ');
  // Handed over and counted here: a third of what grouping by the bin costs the engine.
  for await (const { columns } of db.stream(`SELECT ${list} FROM ${table.from}`))
    tallies.forEach((tally, i) => tally.add(columns[`f${i}`] as Float64Array));
  return spread.map(({ column: { name, kind }, layout }, i) => {
    const { at, counts, infinite, min, max } = tallies[i]!.counted();
    const nulls = table.rows - infinite - sumOf(counts);
    return { name, kind: wholeOr(kind), rows: table.rows, nulls, layout, at, counts, infinite, min, max };
  });
}

const wholeOr = (kind: TableColumn['kind']): NumberColumn['kind'] =>
  kind === 'integer' ? 'integer' : 'number';

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
