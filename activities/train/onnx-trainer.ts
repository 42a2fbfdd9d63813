/**
 * The embedded trainer, a process of its own: `onnx-trainer.ts <request.json>`, speaking contracts/trainer.ts.
 *
 * On SIGTERM it writes a checkpoint at the next chunk's end and leaves with 143, as a shell would say it. On SIGUSR2 it
 * says its best model there, and leaves with 0: SIGUSR1 would open Node's debugger.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { InferenceSession } from 'onnxruntime-node';
import { durationMs } from '../../contracts/artifact.ts';
import { OnnxTrainer } from '../../contracts/training.ts';
import { TrainerRequest } from '../../contracts/trainer.ts';
import type { TrainerEvent } from '../../contracts/trainer.ts';
import { openOnDevice, openSession } from '../../infra/onnx/session.ts';
import { Diverged, stepsOf, trainEpochs } from './epochs.ts';
import type { Look, Training } from './epochs.ts';
import { exportModel } from './forward-graph.ts';
import { labelScale } from './label-scale.ts';
import { networkOf } from './network.ts';
import type { Network } from './network.ts';
import { openRows } from './rows.ts';
import { scoreGraph } from './score-graph.ts';
import { metricsOf, scoreParts } from './scoring.ts';
import { firstState, readState, writeState } from './state.ts';
import type { TrainingState } from './state.ts';
import { stepGraph } from './step-graph.ts';

const progressMs = 500;
/** Training rows that the closing metrics look at: parts are fair samples, so the first few will do. */
const closingParts = 2;

let stopping = false;
let finishing = false;
process.on('SIGTERM', () => (stopping = true));
process.on('SIGUSR2', () => (finishing = true));
process.exitCode = await main(process.argv.at(-1)!);

async function main(requestPath: string): Promise<number> {
  const request = TrainerRequest.parse(JSON.parse(await readFile(requestPath, 'utf8')));
  const settings = OnnxTrainer.parse(request.parameters);
  const batchSize = Math.max(1, Math.floor(settings.batchSize * request.batchScale));
  const training = await open(request, { ...settings, batchSize });
  const { net, seed } = training;
  const state = (await resumed(request, net)) ?? firstState(net, seed);
  try {
    const look = lookout(training, request.work, durationMs(settings.checkpointEvery));
    const ended = await trainEpochs(training, state, look);
    if (!ended && !finishing) return 143;
    await finish(training, state, request.work);
    return 0;
  } catch (error) {
    if (error instanceof Diverged) emit({ event: 'diverged', step: error.step });
    else if (isOutOfMemory(error)) emit({ event: 'out-of-memory', message: (error as Error).message });
    else throw error;
    return 1;
  } finally {
    await training.reader.close();
  }
}

/** In the words of the runtime's allocators; its errors have no codes. */
function isOutOfMemory(error: unknown): boolean {
  return (
    error instanceof Error && /out of memory|failed to allocate|bad_alloc|CUDA failure 2/i.test(error.message)
  );
}

async function resumed(
  { checkpoint, batchScale }: TrainerRequest,
  net: Network,
): Promise<TrainingState | undefined> {
  if (!checkpoint) return undefined;
  const state = await readState(checkpoint, net);
  // Chunks of other batches lie elsewhere: the epoch begins once more.
  if (state && batchScale !== 1) Object.assign(state, { chunk: 0, lossSum: 0, lossBatches: 0 });
  if (!state) process.stderr.write(`${checkpoint} is of other code or another network: beginning anew\n`);
  return state;
}

async function open(request: TrainerRequest, settings: OnnxTrainer): Promise<Training> {
  const { task, layout, train, validation, seed, work } = request;
  const net = networkOf(task, layout, settings.hidden);
  const reader = await openRows(layout, work);
  const { epochs, batchSize, patience } = settings;
  return {
    net,
    reader,
    step: await openStep(stepGraph(net, settings), request.device),
    score: await openSession(scoreGraph(net)),
    scale: await labelScale(task, reader, train),
    counts: await reader.counts(train),
    ...{ train, validation, seed, epochs, batchSize, patience },
  };
}

async function openStep(graph: Uint8Array, device: TrainerRequest['device']): Promise<InferenceSession> {
  if (device === 'cpu') return openSession(graph);
  const { session, provider } = await openOnDevice(graph, (refused, why) =>
    process.stderr.write(`${refused} cannot be used: ${why.slice(0, 500)}\n`),
  );
  emit({ event: 'device', name: provider });
  return session;
}

/** Reports, writes checkpoints by the clock, and lets signals in: the arithmetic itself never waits. */
function lookout(training: Training, work: string, checkpointMs: number): Look {
  let reported = 0;
  let saved = Date.now();
  const written: string[] = [];
  return async (state, losses) => {
    const now = Date.now();
    if (losses || now - reported >= progressMs) {
      reported = now;
      emitProgress(training, state, { ...losses });
    }
    await setImmediate();
    if (finishing) return 'stop';
    if (!stopping && now - saved < checkpointMs) return 'go-on';
    const path = join(work, `checkpoint-${state.step}.bin`);
    await writeState(path, state);
    emitProgress(training, state, {});
    emit({ event: 'checkpoint', path });
    // The ones just before stay, since somebody may still be reading them.
    if (written.push(path) > 3) await rm(written.shift()!, { force: true });
    saved = Date.now();
    return stopping ? 'stop' : 'go-on';
  };
}

function emitProgress(training: Training, state: TrainingState, metrics: Record<string, number>): void {
  const running = state.lossBatches > 0 ? { train_loss: state.lossSum / state.lossBatches } : {};
  const progress = { step: state.step, steps: stepsOf(training), metrics: { ...running, ...metrics } };
  emit({ event: 'progress', ...progress });
}

async function finish(training: Training, state: TrainingState, work: string): Promise<void> {
  const { net, score, reader, scale, train, validation } = training;
  const path = join(work, 'model.onnx');
  // Before its first epoch has ended there is no best yet.
  const weights = state.bestEpoch < 0 ? state.weights : state.best;
  await writeFile(path, exportModel(net, weights, scale));
  const scored = (paths: readonly string[]) => scoreParts(score, reader, paths, weights, net, scale);
  const metrics = {
    ...metricsOf(net, await scored(train.slice(0, closingParts)), scale, 'train'),
    ...metricsOf(net, await scored(validation), scale, 'validation'),
    best_epoch: state.bestEpoch + 1,
  };
  const steps = stepsOf(training);
  emit({ event: 'progress', step: finishing ? state.step : steps, steps, metrics });
  emit({ event: 'model', path, metrics });
}

function emit(event: TrainerEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}
