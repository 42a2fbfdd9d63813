/**
 * Track: tells a tracking server (MLflow) what the records say, after the fact. The store is the truth, the server a
 * copy of it for people: one that is down, slow or full makes no lifecycle fail, and the record says that it was.
 */
import { CancelledFailure } from '@temporalio/common';
import { Context } from '@temporalio/activity';
import { z } from 'zod';
import { Instant, LifecycleId, ModelName } from '../../contracts/artifact.ts';
import type { Artifact } from '../../contracts/artifact.ts';
import { TrialRecord } from '../../contracts/experiment.ts';
import { failedWith, parse, rootFailure } from '../../contracts/failures.ts';
import { PinnedProject } from '../../contracts/project.ts';
import type { Mlflow } from '../../infra/mlflow.ts';
import { readJson, readJsonBlob, swapJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { recordKey } from '../record.ts';
import { DeployRecord, EvaluateRecord, lifecycleFacts, TrainRecord, trialFacts } from './mapping.ts';
import { followSlots, registerVersion } from './models.ts';
import { push } from './push.ts';
import { openRun, rememberedRun } from './runs.ts';
import type { Subject, TrackDeps } from './runs.ts';

export type { TrackDeps } from './runs.ts';

/** Of Temporal's attempts; after these, the server counts as down. */
const attempts = 3;

export const TrackInput = z.object({
  lifecycleId: LifecycleId,
  /** How it ended: deployed, gate-missed, …, failed, cancelled. */
  status: z.string().min(1).max(100),
});
export type TrackInput = z.infer<typeof TrackInput>;

/** `runs/<lifecycleId>/tracked.json`: what came of telling it. */
export const Tracked = z.object({
  state: z.enum(['told', 'failed']),
  /** On the server; null when it gave none. */
  runId: z.string().nullable(),
  message: z.string().optional(),
  at: Instant,
});
export type Tracked = z.infer<typeof Tracked>;

export interface TrackActivities {
  /** Null when nothing is tracked. Never fails but by cancellation. To be called again whenever records were added. */
  track(input: TrackInput): Promise<Tracked | null>;
  /** Aliases alone, after a rollback. */
  trackAliases(input: { model: string }): Promise<null>;
}

export interface Track extends TrackActivities {
  /**
   * For the train activity, before its trainer starts: the run that the trainer may log into.
   *
   * @returns null when nothing is tracked or the server does not answer; training goes on without
   */
  openTrackingRun(subject: Subject): Promise<{ runId: string } | null>;
}

export function createTrack(deps: TrackDeps): Track {
  const { mlflow, store, log } = deps;
  return {
    async openTrackingRun(subject) {
      if (!mlflow) return null;
      try {
        const { runId } = await openRun({ store, mlflow }, subject, Date.now());
        return { runId };
      } catch (error) {
        log.warn({ ...subject, err: error }, 'no MLflow run could be opened; the training goes on without');
        return null;
      }
    },
    async track(unparsed) {
      const { lifecycleId, status } = parse(TrackInput, unparsed);
      if (!mlflow) return null;
      const told = await orFailed(() => tell({ store, mlflow }, lifecycleId, status), log);
      const tracked: Tracked = { ...told, at: new Date().toISOString() };
      await keep(store, lifecycleId, tracked);
      return tracked;
    },
    async trackAliases(unparsed) {
      const model = parse(ModelName, unparsed.model);
      if (!mlflow) return null;
      await orFailed(async () => {
        await followSlots(store, mlflow, model);
        return null;
      }, log);
      return null;
    },
  };
}

type Told = Omit<Tracked, 'at'>;

/** Temporal tries again a few times; then the failure is a value, for the lifecycle must go on. */
async function orFailed(act: () => Promise<string | null>, log: TrackDeps['log']): Promise<Told> {
  try {
    return { state: 'told', runId: await act() };
  } catch (error) {
    const { info, cancellationSignal } = Context.current();
    if (cancellationSignal.aborted || error instanceof CancelledFailure) throw error;
    if (info.attempt < attempts && rootFailure(error)?.nonRetryable !== true) throw error;
    log.warn({ err: error }, 'MLflow was not told');
    const message = messageOf(error);
    return { state: 'failed', runId: null, message };
  }
}

/** `fetch failed` says nothing; its cause does. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `: ${error.cause.message || error.cause.name}` : '';
  return `${error.message}${cause}`.slice(0, 500);
}

interface Deps {
  store: Store;
  mlflow: Mlflow;
}

/** @returns the run's id; null when the lifecycle has no training to tell of */
async function tell(deps: Deps, lifecycleId: string, status: string): Promise<string | null> {
  const { store, mlflow } = deps;
  const beat = () => Context.current().heartbeat({ doing: 'tracking' });
  await tellTrials(deps, lifecycleId, status, beat);
  const subject = { lifecycleId };
  const train = (await readJson(store, recordKey(lifecycleId, 'train'), TrainRecord))?.value;
  if (!train) return closeRun(deps, subject, status);
  const evaluate = (await readJson(store, recordKey(lifecycleId, 'evaluate'), EvaluateRecord))?.value;
  const deploy = (await readJson(store, recordKey(lifecycleId, 'deploy'), DeployRecord))?.value;
  const facts = lifecycleFacts(train, evaluate);
  const run = await openRun(deps, subject, facts.startedMs);
  facts.tags['esteira.outcome'] = status;
  if (deploy) facts.tags['esteira.version'] = String(deploy.output.version);
  await push({ ...deps, subject, run, beat }, facts, await ownerOf(store, train.inputs['project']));
  const model = lifecycleId.split('/')[1]!;
  if (deploy) {
    const registered = { model, version: deploy.output.version, sha256: train.output.model.sha256 };
    await registerVersion(deps, run, registered);
  }
  await followSlots(store, mlflow, model);
  return run.runId;
}

/** Of a training that came to no end, and whose trainer may have logged into its run. */
async function closeRun({ store, mlflow }: Deps, subject: Subject, status: string): Promise<string | null> {
  const runId = await rememberedRun(store, mlflow, subject);
  if (runId === undefined) return null;
  await mlflow.log(runId, { tags: { 'esteira.outcome': status } });
  await mlflow.updateRun(runId, status === 'cancelled' ? 'KILLED' : 'FAILED', Date.now());
  return runId;
}

/** Undefined when the pinned project is gone, or of another release: the rest is worth telling. */
async function ownerOf(store: Store, project: Artifact | undefined): Promise<string | undefined> {
  if (!project) return undefined;
  try {
    return (await readJsonBlob(store, project, PinnedProject)).project.owner;
  } catch (error) {
    if (failedWith(error, 'NotFound') || failedWith(error, 'InvalidInput')) return undefined;
    throw error;
  }
}

async function tellTrials(deps: Deps, lifecycleId: string, status: string, beat: () => void): Promise<void> {
  const ended = new Set<number>();
  const opened = new Set<number>();
  const shape = new RegExp(`^runs/${lifecycleId}/search/([0-9]+)/(record|mlflow)\\.json$`);
  for await (const { key } of deps.store.list(`runs/${lifecycleId}/search/`)) {
    const [, trial, file] = shape.exec(key) ?? [];
    if (trial !== undefined) (file === 'record' ? ended : opened).add(Number(trial));
  }
  for (const trial of ended) {
    await tellTrial(deps, { lifecycleId, trial }, beat);
    beat();
  }
  for (const trial of opened) if (!ended.has(trial)) await closeRun(deps, { lifecycleId, trial }, status);
}

async function tellTrial(deps: Deps, subject: Required<Subject>, beat: () => void): Promise<void> {
  const { lifecycleId, trial } = subject;
  const key = `runs/${lifecycleId}/search/${trial}/record.json`;
  const record = (await readJson(deps.store, key, TrialRecord))?.value;
  if (!record) return;
  const facts = trialFacts(record);
  const run = await openRun(deps, subject, facts.startedMs);
  await push({ ...deps, subject, run, beat }, facts, undefined);
}

/** The last one stands. */
async function keep(store: Store, lifecycleId: string, tracked: Tracked): Promise<void> {
  const key = `runs/${lifecycleId}/tracked.json`;
  const before = await readJson(store, key, Tracked);
  await swapJson(store, key, tracked, before?.etag);
}
