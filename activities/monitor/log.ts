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

/**
 * Opens the views `predictions` and `labels` (one row an id, the last label that came). Labels may
 * come any time later, so all folders from the window's first day on are read.
 *
 * @returns undefined when no prediction was logged on those days
 */
export async function openLog(
  store: Store,
  db: DuckDb,
  model: string,
  window: Window,
): Promise<PredictionLog | undefined> {
  const first = window.from.slice(0, 10);
  const predictions = await files(store, `predictions/${model}/`, first, window.until.slice(0, 10));
  if (predictions.length === 0) return undefined;
  // A caller that lost the answer and asked again under the same id made one prediction, logged twice; what was asked
  // beside it, for comparison only, nobody got.
  await db.run(
    `CREATE VIEW predictions AS SELECT DISTINCT ON (id) * FROM ${parquet(predictions)}
      WHERE coalesce(route, '') <> 'shadow' ORDER BY id, time`,
  );
  const labels = await files(store, `labels/${model}/`, first, '9999-12-31');
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

/** Keys are `<prefix><yyyy-mm-dd>/…`, so days compare as text. */
async function files(store: Store, prefix: string, first: string, last: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { key } of store.list(prefix)) {
    const day = key.slice(prefix.length, prefix.length + 10);
    if (day < first || day > last) continue;
    paths.push(await logFile(store, key));
    Context.current().heartbeat({ files: paths.length });
  }
  return paths;
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
