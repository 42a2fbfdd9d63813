/** Two tables compared, column by column, and what is decided of each. */
import type { Compared, DriftReport } from '../../../contracts/drift.ts';
import type { DuckDb } from '../../../infra/duckdb.ts';
import { decide } from '../decide.ts';
import { compareExactly } from './exact.ts';
import type { Matched } from './exact.ts';
import { TableFault, unreadable } from './table.ts';
import type { Both, Table, TableColumn } from './table.ts';

/** What a comparison needs to know of a side. */
export type Sided = Pick<Table, 'path' | 'rows' | 'columns' | 'skipped'>;

/** @param wanted columns to compare, all that both sides have if absent. @throws TableFault */
export async function compareTables(
  db: DuckDb,
  tables: Both<Table>,
  wanted?: readonly string[],
): Promise<DriftReport> {
  return reportOf('exact', tables, wanted, (column) => compareExactly(db, tables, column));
}

/** @param compare of one column of both sides */
export async function reportOf(
  mode: DriftReport['mode'],
  { reference, current }: Both<Sided>,
  wanted: readonly string[] | undefined,
  compare: (column: Matched) => Promise<Compared>,
): Promise<DriftReport> {
  for (const side of [reference, current]) if (side.rows === 0) throw unreadable(side.path, 'it has no rows');
  const { matched, skipped } = match({ reference, current }, wanted);
  const columns: DriftReport['columns'] = [];
  for (const column of matched) {
    const compared = await compare(column);
    columns.push({ ...compared, ...decide(compared) });
  }
  return {
    mode,
    reference: { path: reference.path, rows: reference.rows },
    current: { path: current.path, rows: current.rows },
    drifted: columns.some(({ drifted }) => drifted),
    ...{ columns, skipped },
  };
}

function match(tables: Both<Sided>, wanted: readonly string[] | undefined) {
  const { reference, current } = tables;
  const names = wanted ?? reference.columns.map(({ name }) => name);
  const matched: Matched[] = [];
  const skipped: DriftReport['skipped'] = [];
  for (const name of names) {
    const [one, other] = [find(reference, name), find(current, name)];
    if (one && other) matched.push({ name, kind: commonKind(tables, one, other) });
    else if (wanted) throw missing(one ? current : reference, name);
    else skipped.push({ name, why: why(current, name) });
  }
  if (!wanted) {
    for (const { name, type } of reference.skipped) skipped.push({ name, why: noStatistic(type) });
    for (const { name } of current.columns)
      if (!find(reference, name) && !reference.skipped.some((one) => one.name === name))
        skipped.push({ name, why: `the reference, ${reference.path}, has no such column` });
  }
  return { matched, skipped };
}

/** The columns of one table that are asked for; all, if nothing is. @throws TableFault */
export function wantedOf(side: Sided, wanted: readonly string[] | undefined): TableColumn[] {
  if (!wanted) return side.columns;
  return wanted.map((name) => {
    const column = find(side, name);
    if (!column) throw missing(side, name);
    return column;
  });
}

const find = ({ columns }: Sided, name: string): TableColumn | undefined =>
  columns.find((column) => column.name === name);

const noStatistic = (type: string): string => `${type} has no statistic`;

function why({ path, skipped }: Sided, name: string): string {
  const there = skipped.find((one) => one.name === name);
  return there ? noStatistic(there.type) : `the current side, ${path}, has no such column`;
}

function missing({ path, columns, skipped }: Sided, name: string): TableFault {
  const there = skipped.find((one) => one.name === name);
  const names = columns.map((column) => column.name);
  const message = there
    ? `column ${name} of ${path} is of type ${there.type}, of which there is no statistic; take a column of numbers, text or true and false`
    : `${path} has no column ${name}; it has ${names.slice(0, 20).join(', ')}`;
  return new TableFault(message);
}

function commonKind(
  { reference, current }: Both<Sided>,
  one: TableColumn,
  other: TableColumn,
): TableColumn['kind'] {
  if (one.kind === other.kind) return one.kind;
  if (one.kind !== 'category' && other.kind !== 'category') return 'number';
  const [text, numbers] = one.kind === 'category' ? [reference, current] : [current, reference];
  throw unreadable(
    text.path,
    `column ${one.name} holds text there, and numbers in ${numbers.path}; it must be of one kind on both sides`,
  );
}
