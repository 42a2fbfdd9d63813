/** The prediction log and the labels of some days, as two DuckDB views. */
import { Context } from '@temporalio/activity';
import type { Window } from '../../contracts/artifact.ts';
import { failedWith } from '../../contracts/failures.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteLiteral } from '../../infra/duckdb.ts';
import type { Store } from '../../infra/store/store.ts';

export interface PredictionLog {
  /** Whether any label has come at all. */
  labelled: boolean;
  /** All that the views read, on this machine. */
  files: string[];
  /** A condition on the view `predictions` for rows of this window. */
  within(window: Window): string;
  count(window: Window): Promise<{ rows: number; byVersion: Record<string, number> }>;
}

/** Files of a log, on this machine. */
export interface LogFiles {
  predictions: string[];
  labels: string[];
}

/**
 * Those that may hold predictions of these windows, and all labels that came since the first of them. Files lie in folders
 * by the hour that their rows are of, those of days long over by the day, so little else is read.
 */
export async function findLog(store: Store, model: string, windows: readonly Window[]): Promise<LogFiles> {
  const hours = new Set(windows.flatMap(hoursOf));
  const days = new Set([...hours].map((hour) => hour.slice(0, 10)));
  const prefix = `predictions/${model}/`;
  const predictions: string[] = [];
  for (const day of [...days].toSorted()) {
    for await (const { key } of store.list(`${prefix}${day}/`)) {
      const folder = key.slice(prefix.length, prefix.length + 13);
      if (/\/\d\d$/.test(folder) && !hours.has(folder)) continue;
      predictions.push(await logFile(store, key));
      Context.current().heartbeat({ files: predictions.length });
    }
  }
  const first = [...days].toSorted()[0]!;
  return { predictions, labels: predictions.length > 0 ? await labelFiles(store, model, first) : [] };
}

const hourMs = 3_600_000;

/** `2001-02-01/09`. One hour before, too: a call that was repeated is one prediction, that of its first answer. */
function hoursOf({ from, until }: Window): string[] {
  const [first, last] = [Math.floor(Date.parse(from) / hourMs) - 1, Math.ceil(Date.parse(until) / hourMs)];
  return Array.from({ length: last - first }, (_, i) =>
    new Date((first + i) * hourMs).toISOString().slice(0, 13).replace('T', '/'),
  );
}

/** Labels may come any time later. Keys are `<prefix><yyyy-mm-dd>/…`, so days compare as text. */
async function labelFiles(store: Store, model: string, first: string): Promise<string[]> {
  const prefix = `labels/${model}/`;
  const paths: string[] = [];
  for await (const { key } of store.list(prefix)) {
    if (key.slice(prefix.length, prefix.length + 10) < first) continue;
    paths.push(await logFile(store, key));
    Context.current().heartbeat({ files: paths.length });
  }
  return paths;
}

/**
 * Opens the table `predictions` and the view `labels` (one row an id, the last label that came). A dozen questions are asked
 * of the predictions: their files are read once. @param files with predictions
 */
export async function openLog(db: DuckDb, { predictions, labels }: LogFiles): Promise<PredictionLog> {
  // What was asked beside, for comparison only, nobody got.
  await db.run(
    `CREATE TABLE predictions AS SELECT * FROM ${parquet(predictions)} WHERE coalesce(route, '') <> 'shadow'`,
  );
  // A caller that lost the answer and asked again under the same id made one prediction, logged twice. It is rare, and to
  // sort them out costs more than all the rest.
  const [twice] = await db.rows<{ n: number }>('SELECT count(*) - count(DISTINCT id) AS n FROM predictions');
  if (twice!.n > 0)
    await db.run(
      'CREATE OR REPLACE TABLE predictions AS SELECT DISTINCT ON (id) * FROM predictions ORDER BY id, time',
    );
  const source =
    labels.length > 0
      ? parquet(labels)
      : "(SELECT '' AS id, '' AS label, TIMESTAMP '1970-01-01' AS time LIMIT 0)";
  await db.run(`CREATE VIEW labels AS SELECT id, arg_max(label, time) AS label FROM ${source} GROUP BY id`);
  const within = ({ from, until }: Window) =>
    `time >= TIMESTAMP ${quoteLiteral(from)} AND time < TIMESTAMP ${quoteLiteral(until)}`;
  return {
    labelled: labels.length > 0,
    files: [...predictions, ...labels],
    within,
    async count(asked) {
      const counted = await db.rows<{ version: number; n: number }>(
        `SELECT version, count(*) AS n FROM predictions WHERE ${within(asked)} GROUP BY version ORDER BY version`,
      );
      const rows = counted.reduce((sum, { n }) => sum + n, 0);
      return { rows, byVersion: Object.fromEntries(counted.map(({ version, n }) => [String(version), n])) };
    },
  };
}

/** A file that was listed may have become part of a larger one since: another try sees that one. */
export function logFile(store: Store, key: string): Promise<string> {
  return store.localKey(key).catch(again);
}

function again(error: unknown): never {
  if (failedWith(error, 'NotFound')) throw new Error('the log was compacted meanwhile', { cause: error });
  throw error;
}

/** What follows FROM in SQL. */
export function parquet(paths: readonly string[]): string {
  return `read_parquet([${paths.map(quoteLiteral).join(', ')}], union_by_name = true)`;
}
