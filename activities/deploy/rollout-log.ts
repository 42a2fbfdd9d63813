/**
 * What the prediction log and the labels say of a rollout: how the version's predictions are spread, and which of
 * two versions was right on the rows that both have scored.
 *
 * The server asks the other version beside the one that answers and logs both under one id, so rows are compared in
 * pairs. Everything is counted anew at each look, from the epoch at which the version was loaded on.
 */
import { Context } from '@temporalio/activity';
import type { ReferenceColumn, Signature } from '../../contracts/serving.ts';
import type { Loss } from '../../contracts/strategy.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteIdentifier } from '../../infra/duckdb.ts';
import type { Store } from '../../infra/store/store.ts';
import { columnDrift } from '../monitor/drift.ts';
import { logFile, parquet } from '../monitor/log.ts';
import { capital, unit } from './betting.ts';
import type { Differences } from './betting.ts';
import { lossOf } from './losses.ts';

export interface Rivals {
  model: string;
  version: number;
  champion: number;
  since: { epoch: number; at: string };
  signature: Signature;
}

/** Both are 1 where nothing speaks for it, and grow with the evidence. */
export interface PairedQuality {
  pairs: number;
  loss: Loss;
  mine: number | null;
  champions: number | null;
  worse: number;
  better: number;
}

/** Clocks of machines and of the store differ, by less than this. */
const skewMs = 10 * 60_000;

/** Opens the view `scored`: one row for each version and id. @returns false when nothing was logged yet */
export async function openRolloutLog(store: Store, db: DuckDb, rivals: Rivals): Promise<boolean> {
  const { model, version, champion, since, signature } = rivals;
  const predictions = await filesSince(store, `predictions/${model}/`, since.at);
  if (predictions.length === 0) return false;
  const output = quoteIdentifier(outputOf(signature));
  // A caller that lost the answer and asked again under the same id made one prediction, logged twice.
  await db.run(
    `CREATE VIEW scored AS SELECT DISTINCT ON (id, version) id, version, ${output} AS score, ${output}
      FROM ${parquet(predictions)} WHERE epoch >= ${since.epoch} AND version IN (${version}, ${champion})
      ORDER BY id, version, "loggedAt"`,
  );
  const labels = await filesSince(store, `labels/${model}/`, since.at);
  const source =
    labels.length > 0 ? parquet(labels) : "(SELECT '' AS id, '' AS label, TIMESTAMP 'epoch' AS time LIMIT 0)";
  await db.run(`CREATE VIEW labels AS SELECT id, arg_max(label, time) AS label FROM ${source} GROUP BY id`);
  return true;
}

/** @returns null where the version's package has no reference to compare with, or nothing was predicted */
export async function predictionDrift(
  db: DuckDb,
  { version, signature }: Rivals,
  references: readonly ReferenceColumn[],
): Promise<{ psi: number | null; rows: number; bins: number }> {
  const mine = `scored WHERE version = ${version}`;
  const [counted] = await db.rows<{ n: number }>(`SELECT count(*) AS n FROM ${mine}`);
  const rows = counted!.n;
  const name = signature.outputs[0]!.name;
  const reference = references.find((one) => one.name === name);
  if (!reference || signature.classes.length > 2 || rows === 0) return { psi: null, rows, bins: 1 };
  const { psi } = await columnDrift(db, mine, outputOf(signature), reference);
  return { psi, rows, bins: reference.counts.length };
}

export async function pairedQuality(
  db: DuckDb,
  { version, champion, signature }: Rivals,
  asked: Loss | undefined,
): Promise<PairedQuality> {
  const loss = lossOf(signature, asked);
  await db.run(
    `CREATE OR REPLACE TEMP TABLE compared AS
      SELECT ${loss.mine} AS mine_loss, ${loss.other} AS other_loss, ${loss.difference} AS difference FROM (
        SELECT a.score AS mine, b.score AS other, l.label FROM scored a JOIN scored b USING (id)
          JOIN labels l USING (id) WHERE a.version = ${version} AND b.version = ${champion})`,
  );
  const [summed] = await db.rows<{ pairs: number; mine: number | null; champions: number | null }>(
    `SELECT count(*) AS pairs, avg(mine_loss) AS mine, avg(other_loss) AS champions FROM compared WHERE ${finite}`,
  );
  const [worse, better] = [await differences(db, 'difference'), await differences(db, '-difference')];
  return { ...summed!, loss: loss.name, worse: capital(worse), better: capital(better) };
}

const finite = 'difference IS NOT NULL AND isfinite(difference)';

/** Counts, which add up to the same in whatever order an engine meets the rows. */
function differences(db: DuckDb, difference: string): Promise<Differences[]> {
  return db.rows<Differences & Record<string, number>>(
    `SELECT CAST(floor(CAST(${difference} AS DOUBLE) / ${unit}) AS INTEGER) AS floor, count(*) AS n
      FROM compared WHERE ${finite} GROUP BY ALL ORDER BY floor`,
  );
}

const outputOf = ({ outputs }: Signature): string => `out_${outputs[0]!.name}`;

/** Folders go by event time, which replays of the past choose: so a file's own age says what is new. */
async function filesSince(store: Store, prefix: string, at: string): Promise<string[]> {
  const from = Date.parse(at) - skewMs;
  const paths: string[] = [];
  for await (const { key, modifiedAt } of store.list(prefix)) {
    if (modifiedAt.getTime() < from) continue;
    paths.push(await logFile(store, key));
    Context.current().heartbeat({ files: paths.length });
  }
  return paths;
}
