/** Two tables compared, column by column, and what is decided of each. */
import type { Compared, DriftReport } from '../../../contracts/drift.ts';
import type { DuckDb } from '../../../infra/duckdb.ts';
import { decide, defaultRule } from '../decide.ts';
import type { Rule } from '../decide.ts';
import { classifyDomains, rowsAtLeast } from './domain-classifier.ts';
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
  rule = defaultRule,
  asWhole = false,
): Promise<DriftReport> {
  const report = await reportOf('exact', tables, { wanted, rule }, (column) =>
    compareExactly(db, tables, column),
  );
  if (!asWhole) return report;
  const domain = await classifyDomains(db, tables, match(tables, wanted).matched, rule.alpha);
  if (!domain)
    throw new TableFault(
      `to tell rows as a whole apart each side must have ${rowsAtLeast} of them, and a column`,
    );
  return { ...report, domain, drifted: report.drifted || domain.drifted };
}

/** @param compare of one column of both sides */
export async function reportOf(
  mode: DriftReport['mode'],
  { reference, current }: Both<Sided>,
  { wanted, rule }: { wanted: readonly string[] | undefined; rule: Rule },
  compare: (column: Matched) => Promise<Compared>,
): Promise<DriftReport> {
  for (const side of [reference, current]) if (side.rows === 0) throw unreadable(side.path, 'it has no rows');
  const { matched, skipped } = match({ reference, current }, wanted);
  const strange = rule.thresholds.find(
    ({ column }) => column !== undefined && !matched.some(({ name }) => name === column),
  );
  if (strange)
    throw new TableFault(
      `a threshold is set for column ${strange.column}, which is not compared; compared are ${matched.map(({ name }) => name).join(', ')}`,
    );
  const compared: Compared[] = [];
  for (const column of matched) compared.push(await compare(column));
  const rows = { reference: reference.rows, current: current.rows };
  const decisions = decide(compared, rows, rule);
  const columns = compared.map((column, i) => ({ ...column, ...decisions[i]! }));
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
