/**
 * Which inputs a model goes by: what it loses when one of them is shuffled among rows, by permutation as Breiman (2001) and
 * scikit-learn have it, on a sample of the holdout.
 */
import { join } from 'node:path';
import type { PreparedManifest } from '../../contracts/prepared.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';
import { labelNumberSql } from '../prepare/labels.ts';
import { existing } from '../prepare/plan.ts';
import { judgeOf, outputWidth } from './judge.ts';

const rowsAtMost = 2_000;
/** Of all shuffled copies together. */
const scoredAtMost = 200_000;
/** With more inputs a sample of so few rows says nothing. */
const inputsAtMost = 500;

export interface Shuffled {
  /** The sample as it is, then once with each input shuffled, in the order of the signature. */
  path: string;
  labels: Float64Array;
}

/** @returns undefined for models that are too wide. The same rows each time. */
export async function shuffleInputs(
  db: DuckDb,
  manifest: PreparedManifest,
  parts: readonly string[],
  folder: string,
): Promise<Shuffled | undefined> {
  const { signature, task, label, columns, rows } = manifest;
  const { inputs } = signature;
  if (inputs.length > inputsAtMost) return undefined;
  const many = Math.min(rowsAtMost, Math.floor(scoredAtMost / (inputs.length + 1)));
  const step = Math.max(1, Math.floor(rows.holdout / many));
  const list = inputs.map(({ name }) => quoteIdentifier(name));
  const labelSql = labelNumberSql(task, label, existing(label, columns).type, signature.classes);
  await db.run(
    `CREATE TABLE sampled AS SELECT *, row_number() OVER () AS row FROM (
      SELECT ${list.join(', ')}, ${labelSql} AS sampled_label FROM read_parquet([${parts.map(quoteLiteral).join(', ')}],
        file_row_number = true) WHERE file_row_number % ${step} = 0 LIMIT ${many})`,
  );
  const path = join(folder, 'shuffled.parquet');
  const copies = list.map((column, block) => shuffledSql(list, column, block + 1));
  await db.run(
    `COPY (SELECT * EXCLUDE (block, row) FROM (
      SELECT ${list.join(', ')}, 0 AS block, row FROM sampled UNION ALL ${copies.join(' UNION ALL ')}
    ) ORDER BY block, row) TO ${quoteLiteral(path)} (FORMAT parquet)`,
  );
  const labels: number[] = [];
  for await (const chunk of db.stream('SELECT sampled_label FROM sampled ORDER BY row'))
    labels.push(...(chunk.columns['sampled_label'] as Float64Array));
  await db.run('DROP TABLE sampled');
  return { path, labels: Float64Array.from(labels) };
}

function shuffledSql(list: readonly string[], column: string, block: number): string {
  const selected = list.map((name) => (name === column ? 'mixed.value' : `sampled.${name}`));
  return `SELECT ${selected.join(', ')}, ${block} AS block, sampled.row FROM sampled JOIN (
    SELECT ${column} AS value, row_number() OVER (ORDER BY hash(row * 1000 + ${block}), row) AS row FROM sampled
  ) AS mixed USING (row)`;
}

/**
 * @param outputs of the shuffled rows, row-major
 * @returns by input, its share of all that is lost; nothing where the model failed on shuffled rows, or loses nothing
 */
export function importanceOf(
  { task, signature }: PreparedManifest,
  { labels }: Shuffled,
  outputs: Float32Array,
): Record<string, number> | undefined {
  const classes = outputWidth(signature);
  const size = labels.length * classes;
  if (outputs.length < size * (signature.inputs.length + 1)) return undefined;
  const losses = Array.from({ length: signature.inputs.length + 1 }, (_, block) => {
    const own = outputs.subarray(block * size, (block + 1) * size);
    const { log_loss: logLoss, rmse } = judgeOf({ task, labels, outputs: own, classes }).metrics();
    return logLoss ?? rmse!;
  });
  const lost = losses.slice(1).map((loss) => Math.max(0, loss - losses[0]!));
  const all = lost.reduce((sum, one) => sum + one, 0);
  if (!(all > 0)) return undefined;
  return Object.fromEntries(signature.inputs.map(({ name }, i) => [name, lost[i]! / all]));
}
