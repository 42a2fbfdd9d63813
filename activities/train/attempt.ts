/**
 * One attempt of one training: devices, environment, process, model. The train stage, a search's trials and
 * `esteira reproduce` all go this way.
 *
 * An attempt that is lost is resumed from its last checkpoint, and the embedded trainer then ends with the
 * very bytes it would have made in one go.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import { durationMs } from '../../contracts/artifact.ts';
import type { Artifact } from '../../contracts/artifact.ts';
import type { TrainingDetails } from '../../contracts/experiment.ts';
import { parse, permanent } from '../../contracts/failures.ts';
import { PreparedManifest } from '../../contracts/prepared.ts';
import { PinnedProject } from '../../contracts/project.ts';
import type { Device } from '../../contracts/trainer.ts';
import { Trainer } from '../../contracts/training.ts';
import type { Child, ChildOptions } from '../../infra/child.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { hardware } from '../../infra/hardware.ts';
import { modelLimits } from '../../infra/onnx/scan.ts';
import { putJsonBlob, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { readUntrusted } from '../../infra/untrusted-file.ts';
import type { Lease, Place } from '../lease.ts';
import { checkAgreement } from './agreement.ts';
import { claimCheckpoints } from './checkpoints.ts';
import type { Checkpoints } from './checkpoints.ts';
import { leased } from './leased.ts';
import type { DevicePool, SeenUse } from './leased.ts';
import { launch } from './launch.ts';
import type { Launch, LaunchDeps } from './launch.ts';
import { Beat, finite, TrainingListener } from './listener.ts';
import type { Judge } from './listener.ts';
import { packageModel } from './package-model.ts';
import { budgetLeftMs, writeRequest } from './request.ts';
import { TrainerLog } from './trainer-log.ts';
import { failed, hearTrainer, OutOfMemory, Stalled, unparsable } from './trainer-process.ts';
import type { Trained } from './trainer-process.ts';

export interface TrainDeps {
  store: Store;
  workDir: string;
  /** As infra/python-environment.ts has it. */
  pythonEnvironment: LaunchDeps['pythonEnvironment'];
  /** Of a gpu worker; a cpu worker has none, and trains without. */
  devices?: DevicePool;
  /** Of this worker, in any currency; undefined where nobody counts. */
  costPerHour?: number | undefined;
  /** Variables for a trainer that reports to a tracking server itself. */
  trackingEnvironment?(lifecycleId: string, place: Place): Promise<Record<string, string>>;
  /** As infra/child.ts has it. */
  forkModule(url: URL, options: ChildOptions): Child;
}

export interface TrainingOrder {
  lifecycleId: string;
  place: Place;
  project: Artifact;
  /** Its manifest. */
  prepared: Artifact;
  /** Of a search's trial, over the project's own. */
  parameters?: Record<string, unknown>;
  judge?: Judge;
}

export interface TrainingResult {
  /** Undefined only for a trial that its search stopped. */
  model: Artifact | undefined;
  metrics: Record<string, number>;
  steps: number;
  details: TrainingDetails;
}

/** @throws what hearTrainer throws; `ModelRefused`, `EnvironmentFailed`, `TooFewDevices`, `TrainerStalled` */
export async function attempt(
  folder: string,
  deps: TrainDeps,
  order: TrainingOrder,
  lease: Lease,
): Promise<TrainingResult> {
  const startedAt = Date.now();
  const { store } = deps;
  const signal = Context.current().cancellationSignal;
  const pinned = adjusted(await readJsonBlob(store, order.project, PinnedProject), order.parameters);
  const manifest = await readJsonBlob(store, order.prepared, PreparedManifest);
  const checkpoints = await claimCheckpoints(store, order, lease, lastBeat()?.checkpoint);
  await failpoint('train:claimed');
  const listener = new TrainingListener(checkpoints, folder, order.judge);
  const log = new TrainerLog();
  const say = (line: string) => {
    log.add(line);
    listener.say(line);
  };
  const { trainer } = pinned.project;
  return leased(
    deps,
    trainer,
    { say, use: listener.use.bind(listener) },
    signal,
    async (devices, use, signal) => {
      const started = await launch(folder, deps, pinned, say, signal);
      const given = { folder, deps, order, pinned, manifest, checkpoints, listener, log, started, devices };
      const run = { ...given, startedAt };
      const { trained, batchScale } = await halvedOnce(run, signal);
      await failpoint('train:trained');
      const { model, agreement } = await accepted(run, trained);
      const details = await detailsOf(run, { trained, batchScale, agreement, use: use() });
      const metrics = finite({ ...listener.beat.metrics, ...trained.model?.metrics });
      return { model, metrics, steps: listener.beat.step, details };
    },
  );
}

interface Run {
  folder: string;
  deps: TrainDeps;
  order: TrainingOrder;
  pinned: PinnedProject;
  manifest: PreparedManifest;
  checkpoints: Checkpoints;
  listener: TrainingListener;
  log: TrainerLog;
  started: Launch;
  devices: readonly Device[];
  startedAt: number;
}

/** What the record says of it, beside the model. */
async function detailsOf(
  run: Run,
  {
    trained,
    use,
    ...found
  }: Pick<TrainingDetails, 'batchScale' | 'agreement'> & { trained: Trained; use: SeenUse | undefined },
): Promise<TrainingDetails> {
  const { deps, order, pinned, checkpoints, listener, log, started, devices } = run;
  const { store, costPerHour } = deps;
  const { trainer } = pinned.project;
  const series = await putJsonBlob(store, listener.series.all());
  const lines = await store.putBlob(log.text(), 'text/plain');
  const device = listener.beat.device ?? (devices.length > 0 ? 'cuda' : 'cpu');
  const seconds = (Date.now() - run.startedAt) / 1_000;
  return {
    ...{ backend: trainer.backend, parameters: parametersOf(trainer), seed: trainer.seed },
    ...{ data: order.prepared.sha256, project: order.project.sha256 },
    ...{ code: started.code, environment: started.environment },
    git: { commit: pinned.gitCommit, ...(pinned.gitDiff && { diff: pinned.gitDiff }) },
    hardware: { ...hardware(), device, devices: [...devices] },
    ...{ series, log: lines, seconds },
    cost: costPerHour === undefined ? null : (costPerHour * seconds) / 3_600,
    resumedFrom: checkpoints.resumedFrom ?? null,
    stopped: trained.stopped,
    ...found,
    ...(use && { use }),
  };
}

/** A search changes the trainer's parameters; what they may be is the trainer's own schema. */
function adjusted(pinned: PinnedProject, parameters: Record<string, unknown> = {}): PinnedProject {
  const { trainer } = pinned.project;
  if (Object.keys(parameters).length === 0) return pinned;
  const { seed = trainer.seed, ...own } = parameters;
  const changed =
    trainer.backend === 'onnx'
      ? { ...trainer, ...own, seed }
      : { ...trainer, parameters: { ...trainer.parameters, ...own }, seed };
  return { ...pinned, project: { ...pinned.project, trainer: parse(Trainer, changed) } };
}

function lastBeat(): Beat | undefined {
  return Beat.safeParse(Context.current().info.heartbeatDetails).data;
}

/** What the trainer is told, and what a record names: how it learns, not on what it runs. */
export function parametersOf(trainer: Trainer): Record<string, unknown> {
  if (trainer.backend !== 'onnx') return trainer.parameters;
  const { hidden, epochs, batchSize, learningRate, l2, classWeight, patience } = trainer;
  return { hidden, epochs, batchSize, learningRate, l2, classWeight, patience };
}

/** A batch that does not fit is halved, once: what still does not fit then is not a matter of its size. */
async function halvedOnce(run: Run, signal: AbortSignal): Promise<{ trained: Trained; batchScale: number }> {
  try {
    return { trained: await oneProcess(run, 1, signal), batchScale: 1 };
  } catch (error) {
    if (!(error instanceof OutOfMemory)) throw error;
    run.log.add(`out of memory (${error.message}); going on with half the batch`);
    run.listener.say('out of memory; going on with half the batch');
  }
  try {
    return { trained: await oneProcess(run, 0.5, signal), batchScale: 0.5 };
  } catch (error) {
    if (!(error instanceof OutOfMemory)) throw error;
    throw failed(null, `the trainer is out of memory with half the batch, too: ${error.message}`, run.log);
  }
}

async function oneProcess(run: Run, batchScale: number, signal: AbortSignal): Promise<Trained> {
  const { deps, order, pinned, checkpoints, listener, log, started, devices } = run;
  const { trainer } = pinned.project;
  const budgetMs = budgetLeftMs(trainer, deps.costPerHour, spentSeconds(run));
  const given = { devices, last: checkpoints.last, batchScale, budgetMs };
  const requestPath = await writeRequest(run.folder, deps.store, trainer, run.manifest, given);
  let fault: string | undefined;
  const child = deps.forkModule(started.url, {
    args: [...started.args, requestPath],
    env: {
      ...started.env,
      ...(await deps.trackingEnvironment?.(order.lifecycleId, order.place)),
      CUDA_VISIBLE_DEVICES: devices.map(({ index }) => index).join(','),
    },
    ...(started.cwd !== undefined && { cwd: started.cwd }),
    onText: (line) => {
      log.add(line);
      fault ??= unparsable(line);
    },
  });
  try {
    const trained = await hearTrainer(
      child,
      listener,
      log,
      { stallMs: durationMs(trainer.stall), budgetMs },
      signal,
    );
    if (fault !== undefined) throw failed(null, fault, log);
    return trained;
  } catch (error) {
    if (fault !== undefined && !signal.aborted) throw failed(null, fault, log);
    const stalled = error instanceof Stalled;
    const { step } = listener.beat;
    if (stalled && checkpoints.stalledAt === step) {
      throw permanent('TrainerStalled', `${error.message}, at step ${step} for the second time`, { step });
    }
    // A note for the next attempt, no more: what ended this one is what must be told.
    await checkpoints
      .note(spentSeconds(run), stalled ? step : undefined)
      .catch((unnoted: unknown) => log.add(`the attempt's end is not on record: ${String(unnoted)}`));
    throw error;
  }
}

const spentSeconds = ({ checkpoints, startedAt }: Run): number =>
  checkpoints.spentBefore + (Date.now() - startedAt) / 1_000;

/** The trainer's file, looked at before anybody opens it, joined with the transform, compared with its framework. */
async function accepted({ folder, deps, manifest, listener }: Run, { model }: Trained) {
  if (!model) return { model: undefined, agreement: null };
  listener.say('the model is checked');
  const { store } = deps;
  const made = await readUntrusted(model.path, { within: join(folder, 'work'), maxBytes: modelLimits.bytes });
  const transform = await store.localPath(manifest.transform);
  const { layout, signature, task } = manifest;
  const plan = { layout, signature, task };
  const [first] = manifest.validation;
  if (model.sample !== undefined && first) {
    const part = await store.localPath(first.artifact);
    const given = { model: made, transform, sample: model.sample, part };
    const { packaged, ...agreement } = await checkAgreement(folder, deps, plan, given);
    return { model: await store.putFile(packaged, 'application/onnx'), agreement };
  }
  const { faults, packaged } = packageModel(plan, await readFile(transform), made);
  if (packaged) return { model: await store.putBlob(packaged, 'application/onnx'), agreement: null };
  throw permanent('ModelRefused', `the model that the trainer made: ${faults.join('; ')}`, { uri: '' });
}
