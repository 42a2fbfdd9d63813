/**
 * Tells one run's facts to the server, each only once: what the server has already is asked for, and a mark in the
 * store spares asking again. So a retry, or a trainer that logs the same by itself, doubles nothing.
 */
import { z } from 'zod';
import { Sha256 } from '../../contracts/artifact.ts';
import type { Artifact } from '../../contracts/artifact.ts';
import { Series } from '../../contracts/experiment.ts';
import type { Metric, Mlflow, MlflowRun, Tags } from '../../infra/mlflow.ts';
import { readJson, readJsonBlob, swapJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { seriesMetrics } from './mapping.ts';
import type { Facts } from './mapping.ts';
import { markKey } from './runs.ts';
import type { Subject } from './runs.ts';

/** What this run has been told. */
const Mark = z.object({
  runId: z.string(),
  series: Sha256.optional(),
  /** Digest by path. */
  artifacts: z.record(z.string(), Sha256),
  /** Everything else, as JSON that is compared. */
  rest: z.string().optional(),
});
type Mark = z.infer<typeof Mark>;

export interface Target {
  store: Store;
  mlflow: Mlflow;
  subject: Subject;
  run: MlflowRun;
  /** Says that it is alive. */
  beat(): void;
}

/** @returns whether there was anything new to tell */
export async function push(target: Target, facts: Facts, user: string | undefined): Promise<boolean> {
  const kept = await readJson(target.store, markKey(target.subject), Mark);
  const before: Mark =
    kept?.value.runId === target.run.runId ? kept.value : { runId: target.run.runId, artifacts: {} };
  const tags: Tags = { ...facts.tags, ...(user && { 'mlflow.user': user }) };
  const rest = JSON.stringify({ tags, metrics: facts.metrics, params: facts.params, status: facts.status });
  const mark: Mark = { ...before, artifacts: { ...before.artifacts } };
  if (facts.series && before.series !== facts.series.sha256) {
    await pushSeries(target, facts.series, facts.startedMs);
    mark.series = facts.series.sha256;
  }
  for (const [path, artifact] of Object.entries(facts.artifacts)) {
    if (before.artifacts[path] === artifact.sha256) continue;
    Object.assign(tags, await pushArtifact(target, path, artifact));
    mark.artifacts[path] = artifact.sha256;
  }
  if (before.rest !== rest) {
    await pushRest(target, facts, tags);
    mark.rest = rest;
  }
  if (JSON.stringify(mark) === JSON.stringify(before)) return false;
  // Whoever wrote it meanwhile told the same: a lost mark costs asking again, and no more.
  await swapJson(target.store, markKey(target.subject), mark, kept?.etag);
  return true;
}

async function pushSeries({ store, mlflow, run, beat }: Target, artifact: Artifact, startedMs: number) {
  const missing: Metric[] = [];
  for (const [key, metrics] of seriesMetrics(await readJsonBlob(store, artifact, Series), startedMs)) {
    const steps = new Set((await mlflow.history(run.runId, key)).map(({ step }) => step));
    missing.push(...metrics.filter(({ step }) => !steps.has(step)));
    beat();
  }
  await mlflow.log(run.runId, { metrics: missing });
}

/** @returns where it is, as tags, when the server takes no artifacts */
async function pushArtifact(
  { store, mlflow, run, beat }: Target,
  path: string,
  artifact: Artifact,
): Promise<Tags> {
  beat();
  const taken = await mlflow.upload(run, path, store.readBlob(artifact), artifact.bytes);
  return taken ? {} : { [`esteira.artifact.${path}`]: `${store.uri}/${artifact.uri}` };
}

/** A parameter cannot be changed on the server, and the first one stands; a metric gets a later value beside it. */
async function pushRest({ mlflow, run }: Target, facts: Facts, tags: Tags): Promise<void> {
  const params = Object.entries(facts.params).filter(([key]) => !(key in run.params));
  const metrics: Metric[] = [];
  for (const metric of facts.metrics) {
    const told = await mlflow.history(run.runId, metric.key);
    if (!told.some(({ step, value }) => step === metric.step && near(value, metric.value)))
      metrics.push(metric);
  }
  await mlflow.log(run.runId, { params: Object.fromEntries(params), metrics, tags });
  await mlflow.updateRun(run.runId, facts.status, facts.endedMs);
}

/** Databases behind MLflow keep 53 bits at best, and some fewer. */
function near(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b));
}
