/** Quality with late labels: the version's predictions of a window, joined with what really happened. */
import { setImmediate } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { Window } from '../../contracts/artifact.ts';
import type { Scorecard } from '../../contracts/evaluation.ts';
import type { Estimate, Quality } from '../../contracts/monitor.ts';
import type { Project } from '../../contracts/project.ts';
import type { Package, Signature } from '../../contracts/serving.ts';
import type { Watch } from '../../contracts/watch.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';
import { intervals, replicate } from '../evaluate/bootstrap.ts';
import { calibrationOf } from '../evaluate/curves.ts';
import { dictionary } from '../evaluate/holdout.ts';
import { judgeOf, outputWidth } from '../evaluate/judge.ts';
import type { Predicted } from '../evaluate/judge.ts';
import { slicesOf } from '../evaluate/slices.ts';
import type { SliceColumn } from '../evaluate/slices.ts';
import { estimateOf } from './estimate.ts';
import type { Estimator } from './estimate.ts';
import { fairnessOf } from './fairness.ts';
import type { PredictionLog } from './log.ts';

/** The same labels and predictions have the same intervals. */
const bootstrapSeed = 1;

export interface Judged {
  version: number;
  made: Package;
  project: Project;
  /** Absent of versions made before 0.5.0: nothing is estimated for them. */
  estimator?: Estimator | undefined;
}

export function estimatorOf(watch: Watch | undefined, { rows, metrics }: Scorecard): Estimator | undefined {
  return watch?.calibrators && { calibrators: watch.calibrators, holdout: { rows, metrics } };
}

/** @returns null when the version made no prediction in the window */
export async function qualityOf(
  db: DuckDb,
  log: PredictionLog,
  window: Window,
  judged: Judged,
): Promise<Quality | null> {
  const { version, made, project, estimator } = judged;
  const mine = `version = ${version} AND ${log.within(window)}`;
  const [counted] = await db.rows<{ n: number }>(`SELECT count(*) AS n FROM predictions WHERE ${mine}`);
  const rows = counted!.n;
  if (rows === 0) return null;
  const unlabelled = { window, version, rows, labelled: 0, coverage: 0, metrics: {}, reference: {} };
  if (!log.labelled) return unlabelled;
  const inputs = made.signature.inputs.map(({ name }) => name);
  const groups = project.slices.filter((name) => inputs.includes(name) && !project.log.pii[name]);
  const { predicted, slices } = await joined(db, mine, made.signature, groups);
  const labelled = predicted.labels.length;
  if (labelled === 0) return unlabelled;
  const judge = judgeOf(predicted);
  const values = judge.metrics();
  const replicates = await replicate([judge], bootstrapSeed, async () => {
    Context.current().heartbeat({ doing: 'intervals' });
    await setImmediate();
  });
  const names = Object.keys(values);
  const known = (value: number) => (Number.isFinite(value) ? value : null);
  return {
    ...unlabelled,
    ...{ labelled, coverage: labelled / rows },
    metrics: Object.fromEntries(names.map((name) => [name, known(values[name]!)])),
    reference: Object.fromEntries(names.map((name) => [name, made.metrics[name] ?? null])),
    intervals: intervals(values, replicates, 0),
    estimate: estimator ? estimateOf(predicted.outputs, estimator) : null,
    calibration: calibrationOf(predicted),
    slices: slicesOf(predicted, slices),
    fairness:
      predicted.task === 'binary-classification'
        ? fairnessOf(predicted.labels, predicted.outputs, slices, project.monitor.minGroup)
        : [],
  };
}

/** Of all that the version predicted in a window, labels or none. */
export async function estimatedNow(
  db: DuckDb,
  log: PredictionLog,
  window: Window,
  { version, made, estimator }: Judged,
): Promise<Estimate | null> {
  if (!estimator) return null;
  const output = quoteIdentifier(`out_${made.signature.outputs[0]!.name}`);
  const outputs: Float32Array[] = [];
  for await (const { columns } of db.stream(
    `SELECT ${outputSql(output, made.signature)} AS score FROM predictions WHERE version = ${version} AND ${log.within(window)}`,
  ))
    outputs.push(columns['score'] as Float32Array);
  return estimateOf(concatenated(outputs), estimator);
}

/** One number a row; of several classes, one row a class, in their order. */
function outputSql(output: string, { task }: Signature): string {
  return task === 'multiclass-classification'
    ? `CAST(unnest(${output}) AS FLOAT)`
    : `CAST(${output} AS FLOAT)`;
}

async function joined(
  db: DuckDb,
  mine: string,
  signature: Signature,
  groups: readonly string[],
): Promise<{ predicted: Predicted; slices: SliceColumn[] }> {
  const { task, classes } = signature;
  const output = quoteIdentifier(`out_${signature.outputs[0]!.name}`);
  const texts = groups.map(
    (name, i) =>
      `coalesce(nullif(CAST(p.${quoteIdentifier(`in_${name}`)} AS VARCHAR), ''), '(missing)') AS s${i}`,
  );
  await db.run(
    `CREATE OR REPLACE TABLE joined AS SELECT * FROM (
      SELECT ${[`${labelSql(task, classes)} AS label`, `p.${output} AS score`, ...texts].join(', ')}, p.id
      FROM predictions p JOIN labels l USING (id) WHERE ${mine}) WHERE label IS NOT NULL`,
  );
  const [counted] = await db.rows<{ n: number }>('SELECT count(*) AS n FROM joined');
  const labels = new Float64Array(counted!.n);
  const slices = groups.map((column) => dictionary(column, counted!.n));
  let at = 0;
  const list = ['label', ...groups.map((_, i) => `s${i}`)].join(', ');
  for await (const chunk of db.stream(`SELECT ${list} FROM joined ORDER BY id`)) {
    labels.set(chunk.columns['label'] as Float64Array, at);
    slices.forEach((slice, i) => slice.add(chunk.columns[`s${i}`] as string[], at));
    at += chunk.rows;
  }
  const outputs: Float32Array[] = [];
  const scores = `SELECT ${outputSql('score', signature)} AS score FROM (SELECT score FROM joined ORDER BY id)`;
  for await (const { columns } of db.stream(scores)) outputs.push(columns['score'] as Float32Array);
  await db.run('DROP TABLE joined');
  const width = outputWidth(signature);
  const predicted = { task, labels, outputs: concatenated(outputs), classes: width };
  return { predicted, slices: slices.map(({ slice }) => slice) };
}

/** Labels come as text, whatever they were: `1`, `true`, `0.5`, or a class's name. Null for what is none of the classes. */
function labelSql(task: Signature['task'], classes: readonly string[]): string {
  const number = `TRY_CAST(l.label AS DOUBLE)`;
  if (task === 'regression') return `CASE WHEN isfinite(${number}) THEN ${number} END`;
  const list = `[${classes.map(quoteLiteral).join(', ')}]`;
  const place = `nullif(list_position(${list}, l.label), 0) - 1`;
  const word = `CASE l.label WHEN 'true' THEN 1 WHEN 'false' THEN 0 END`;
  const index = `CASE WHEN ${number} BETWEEN 0 AND ${classes.length - 1} THEN trunc(${number}) END`;
  return `CAST(coalesce(${place}, ${word}, ${index}) AS DOUBLE)`;
}

function concatenated(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
