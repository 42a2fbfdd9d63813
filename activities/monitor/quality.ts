/** Quality with late labels: the version's predictions of a window, joined with what really happened. */
import type { Window } from '../../contracts/artifact.ts';
import type { Quality } from '../../contracts/monitor.ts';
import type { Package } from '../../contracts/serving.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteIdentifier } from '../../infra/duckdb.ts';
import { judgeOf } from '../evaluate/judge.ts';
import type { PredictionLog } from './log.ts';

/** @returns null when the version made no prediction in the window */
export async function qualityOf(
  db: DuckDb,
  log: PredictionLog,
  window: Window,
  version: number,
  made: Package,
): Promise<Quality | null> {
  const output = quoteIdentifier(`out_${made.signature.outputs[0]!.name}`);
  const mine = `version = ${version} AND ${log.within(window)}`;
  const [counted] = await db.rows<{ n: number }>(`SELECT count(*) AS n FROM predictions WHERE ${mine}`);
  const rows = counted!.n;
  if (rows === 0) return null;
  const joined = await db.rows<{ label: string; score: number | number[] }>(
    `SELECT l.label, p.${output} AS score FROM predictions p JOIN labels l USING (id) WHERE ${mine} ORDER BY p.id`,
  );
  const labelled = joined.length;
  const metrics = labelled > 0 ? judge(joined, made) : {};
  return {
    window,
    version,
    rows,
    labelled,
    coverage: labelled / rows,
    metrics,
    reference: Object.fromEntries(Object.keys(metrics).map((name) => [name, made.metrics[name] ?? null])),
  };
}

function judge(
  joined: { label: string; score: number | number[] }[],
  made: Package,
): Record<string, number | null> {
  const { task, classes } = made.signature;
  const labels = Float64Array.from(joined, ({ label }) => labelValue(label, classes));
  const scores = Float32Array.from(joined.flatMap(({ score }) => score));
  const metrics = judgeOf({ task, labels, outputs: scores, classes: classes.length }).metrics();
  return Object.fromEntries(
    Object.entries(metrics).map(([name, value]) => [name, Number.isFinite(value) ? value : null]),
  );
}

/** Labels come as text, whatever they were: `1`, `true`, `0.5`, or a class's name. */
function labelValue(label: string, classes: readonly string[]): number {
  const index = classes.indexOf(label);
  if (index >= 0) return index;
  if (label === 'true') return 1;
  if (label === 'false') return 0;
  return Number(label);
}
