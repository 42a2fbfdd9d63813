/** Two tables compared column by column, exactly: each column is scanned a few times, in bounded memory. */
import type { Compared } from '../../../contracts/drift.ts';
import type { DuckDb } from '../../../infra/duckdb.ts';
import { countInfinite } from './cells.ts';
import type { Counted } from './cells.ts';
import { countNumbers } from './exact-number.ts';
import { sampleOf } from './layout.ts';
import { binsByValueAtMost, categoryStatistics, countsOfValues, numberStatistics } from './statistics.ts';
import { numberSql, sharesOf, textSql } from './table.ts';
import type { Both, Kind, Table } from './table.ts';
import { categoriesOf, valuesAtMost, weighedValues } from './values.ts';
import { rowsOf } from '../statistics/bins.ts';
import type { Bin } from '../statistics/bins.ts';
import type { Weighed } from '../statistics/weighted-values.ts';

export interface Matched {
  name: string;
  /** `integer` where both sides are of whole numbers. */
  kind: Kind;
}

export async function compareExactly(db: DuckDb, tables: Both<Table>, column: Matched): Promise<Compared> {
  return column.kind === 'category'
    ? compareCategories(db, tables, column.name)
    : compareNumbers(db, tables, column);
}

async function compareCategories(db: DuckDb, tables: Both<Table>, name: string): Promise<Compared> {
  const { bins, unseenRows, unseen } = await categoriesOf(db, tables, textSql(name));
  const used = { reference: rowsOf(bins, 'reference'), current: rowsOf(bins, 'current') };
  return {
    ...{ name, kind: 'category', used },
    nullShare: sharesOf(tables, (side) => tables[side].rows - used[side]),
    newCategoryShare: used.current === 0 ? 0 : unseenRows / used.current,
    newCategories: unseen,
    ...categoryStatistics(bins),
  };
}

async function compareNumbers(db: DuckDb, tables: Both<Table>, { name, kind }: Matched): Promise<Compared> {
  const [whole, number] = [kind === 'integer', numberSql(name)];
  const sample = await sampleOf(db, [tables.reference, tables.current], name);
  // Few rows, or few different numbers among many: counted one by one. A sample that misleads costs one more scan.
  const few =
    !sample ||
    tables.reference.rows + tables.current.rows <= valuesAtMost ||
    (sample.distinct <= valuesAtMost / 2 && sample.distinct <= sample.finite / 2);
  const values = few ? await weighedValues(db, tables, number) : undefined;
  if (values) return ofValues(db, tables, name, values, whole);
  const { reference, current, distances } = await countNumbers(db, tables, name, { sample: sample!, whole });
  const counted = { reference, current };
  const used = { reference: reference.finite, current: current.finite };
  return {
    ...{ name, kind: 'number', used },
    nullShare: sharesOf(tables, (side) => counted[side].nulls),
    infiniteShare: sharesOf(tables, (side) => counted[side].infinite),
    outOfRangeShare: distances ? distances.outOfRange / used.current : 0,
    ...numberStatistics(
      distances && { ...distances, rows: used, byValue: await byValue(db, tables, name, reference) },
    ),
  };
}

/** A bin a value, where the reference has few of them: the current side may have any number. */
async function byValue(
  db: DuckDb,
  tables: Both<Table>,
  name: string,
  { cells }: Counted,
): Promise<Bin[] | undefined> {
  if (cells.bin.length > binsByValueAtMost) return undefined;
  const number = numberSql(name);
  const [known] = await db.rows<{ n: number }>(
    `SELECT count(DISTINCT ${number}) AS n FROM ${tables.reference.from} WHERE isfinite(${number})`,
  );
  if (known!.n > binsByValueAtMost) return undefined;
  return (await categoriesOf(db, tables, number, `isfinite(${number})`)).bins;
}

async function ofValues(
  db: DuckDb,
  tables: Both<Table>,
  name: string,
  values: readonly Weighed[],
  whole: boolean,
): Promise<Compared> {
  const used = { reference: rowsOf(values, 'reference'), current: rowsOf(values, 'current') };
  const infinite = {
    reference: await countInfinite(db, tables.reference.from, name),
    current: await countInfinite(db, tables.current.from, name),
  };
  const known = values.filter(({ reference }) => reference > 0);
  const outside = values.reduce((sum, { value, current }) => {
    const within = known.length > 0 && value >= known[0]!.value && value <= known.at(-1)!.value;
    return within ? sum : sum + current;
  }, 0);
  const both = used.reference > 0 && used.current > 0;
  return {
    ...{ name, kind: 'number', used },
    nullShare: sharesOf(tables, (side) => tables[side].rows - used[side] - infinite[side]),
    infiniteShare: sharesOf(tables, (side) => infinite[side]),
    outOfRangeShare: both ? outside / used.current : 0,
    ...numberStatistics(both ? countsOfValues(values, whole) : undefined),
  };
}
