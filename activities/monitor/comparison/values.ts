/** Columns as counts of their values: exact, for what has few different ones, and for categories however many. */
import type { DuckDb } from '../../../infra/duckdb.ts';
import type { Bin } from '../statistics/bins.ts';
import type { Weighed } from '../statistics/weighted-values.ts';
import type { Both, Table } from './table.ts';

/** Numbers with at most so many different ones are kept one by one. */
export const valuesAtMost = 10_000;

const counts = ({ reference, current }: Both<Table>, value: string, kept: string): string =>
  `SELECT v, sum(r) AS r, sum(c) AS c FROM (
    SELECT ${value} AS v, CAST(count(*) AS DOUBLE) AS r, 0.0::DOUBLE AS c FROM ${reference.from} WHERE ${kept} GROUP BY v
    UNION ALL
    SELECT ${value}, 0, count(*) FROM ${current.from} WHERE ${kept} GROUP BY ALL
  ) GROUP BY v`;

/**
 * Finite numbers of both sides with their rows, ascending.
 *
 * @param number the column as SQL, a DOUBLE
 * @returns undefined when there are more than `valuesAtMost`
 */
export async function weighedValues(
  db: DuckDb,
  tables: Both<Table>,
  number: string,
): Promise<Weighed[] | undefined> {
  const rows = await db.rows<{ v: number; r: number; c: number }>(
    `SELECT v, r, c FROM (${counts(tables, number, `isfinite(${number})`)}) ORDER BY v LIMIT ${valuesAtMost + 1}`,
  );
  if (rows.length > valuesAtMost) return undefined;
  return rows.map(({ v, r, c }) => ({ value: v, reference: r, current: c }));
}

interface Counts {
  /** Rising. */
  at: readonly number[];
  counts: readonly number[];
}

/** Two lists of counts as one of pairs, rising. */
export function weigh(reference: Counts, current: Counts): Weighed[] {
  const both: Weighed[] = [];
  for (let [i, j] = [0, 0]; i < reference.at.length || j < current.at.length;) {
    const [one, other] = [reference.at[i] ?? Infinity, current.at[j] ?? Infinity];
    both.push({
      value: Math.min(one, other),
      reference: one <= other ? reference.counts[i++]! : 0,
      current: other <= one ? current.counts[j++]! : 0,
    });
  }
  return both;
}

export interface Categories {
  /** One bin a value, those with equal counts together. */
  bins: Bin[];
  /** Rows of the current side whose value the reference lacks, and the most frequent of those values. */
  unseenRows: number;
  unseen: string[];
}

const unseenAtMost = 5;

/** @param value the column as SQL. @param kept a condition on rows, beside that the value is there */
export async function categoriesOf(
  db: DuckDb,
  tables: Both<Table>,
  value: string,
  kept = `${value} IS NOT NULL`,
): Promise<Categories> {
  await db.run(`CREATE OR REPLACE TABLE counted AS ${counts(tables, value, kept)}`);
  const bins = await db.rows<{ reference: number; current: number; alike: number }>(
    'SELECT r AS reference, c AS current, count(*) AS alike FROM counted GROUP BY ALL ORDER BY ALL',
  );
  const unseen = await db.rows<{ v: unknown }>(
    `SELECT v FROM counted WHERE r = 0 ORDER BY c DESC, v LIMIT ${unseenAtMost}`,
  );
  await db.run('DROP TABLE counted');
  const unseenRows = bins.reduce(
    (sum, { reference, current, alike }) => (reference === 0 ? sum + current * alike : sum),
    0,
  );
  return { bins, unseenRows, unseen: unseen.map(({ v }) => String(v)) };
}
