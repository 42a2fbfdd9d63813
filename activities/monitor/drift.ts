/** Drift: how far the window's rows have moved from the reference, column by column. */
import type { Window } from '../../contracts/artifact.ts';
import type { TickRecord } from '../../contracts/monitor.ts';
import type { Package, ReferenceColumn } from '../../contracts/serving.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';
import { binOf as numberBin } from '../deploy/reference.ts';
import type { PredictionLog } from './log.ts';

type Drift = TickRecord['drift'][number];

export async function driftOf(
  db: DuckDb,
  log: PredictionLog,
  window: Window,
  made: Package,
): Promise<Drift[]> {
  const output = made.signature.outputs[0]!.name;
  const watched = made.reference.filter(({ name }) => name !== output || made.signature.classes.length <= 2);
  const drifts: Drift[] = [];
  for (const reference of watched) {
    const column = `${reference.name === output ? 'out' : 'in'}_${reference.name}`;
    drifts.push(await columnDrift(db, `predictions WHERE ${log.within(window)}`, column, reference));
  }
  return drifts;
}

/** @param from what follows FROM in SQL */
export async function columnDrift(
  db: DuckDb,
  from: string,
  column: string,
  reference: ReferenceColumn,
): Promise<Drift> {
  const counted = await db.rows<{ bin: number | null; n: number }>(
    `SELECT ${binOf(reference, quoteIdentifier(column))} AS bin, count(*) AS n FROM ${from} GROUP BY bin`,
  );
  return compare(reference, counted);
}

/** Bin index, null for a missing value. Categories the reference never saw are in the last bin. */
function binOf({ kind, edges = [], values = [] }: ReferenceColumn, column: string): string {
  if (kind === 'category') {
    const known = values.map((value, i) => `WHEN ${quoteLiteral(value)} THEN ${i}`).join(' ');
    const other = known === '' ? String(values.length) : `CASE ${column} ${known} ELSE ${values.length} END`;
    return `CASE WHEN ${column} IS NOT NULL AND ${column} <> '' THEN ${other} END`;
  }
  const x = `CAST(${column} AS DOUBLE)`;
  return `CASE WHEN ${x} IS NOT NULL AND NOT isnan(${x}) THEN ${numberBin(x, edges)} END`;
}

function compare(reference: ReferenceColumn, counted: { bin: number | null; n: number }[]): Drift {
  const { name, counts, nulls } = reference;
  const nullsNow = counted.find(({ bin }) => bin === null)?.n ?? 0;
  const now = counts.map((_, i) => counted.find(({ bin }) => bin === i)?.n ?? 0);
  const unseen = reference.kind === 'category' && counts.at(-1) === 0 ? now.at(-1)! : 0;
  return { name, psi: psi([...counts, nulls], [...now, nullsNow]), nulls: nullsNow, unseen };
}

/**
 * Population stability index: Σ (r − c) ln(r / c) over bins, r and c the shares of each side; the
 * missing values are a bin of their own, because missingness is drift too.
 *
 * A share of zero becomes 0.0001, as Evidently has it; a bin that both sides lack counts nothing.
 * @returns null when a side is empty
 */
export function psi(reference: readonly number[], current: readonly number[]): number | null {
  const total = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0);
  const [all, now] = [total(reference), total(current)];
  if (all === 0 || now === 0) return null;
  return reference.reduce((sum, count, i) => {
    if (count === 0 && current[i] === 0) return sum;
    const r = count / all || 0.0001;
    const c = current[i]! / now || 0.0001;
    return sum + (r - c) * Math.log(r / c);
  }, 0);
}
