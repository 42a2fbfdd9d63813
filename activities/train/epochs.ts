/**
 * The training loop: epochs of shuffled chunks, early stopping on the validation loss, the best epoch kept.
 *
 * What it computes depends on the request alone. When checkpoints are written, and how often it was
 * interrupted, leaves no trace in the result.
 */
import '../../infra/onnx/no-telemetry.mjs';
import type { InferenceSession } from 'onnxruntime-node';
import { Tensor } from 'onnxruntime-node';
import { chunkFeeds } from './feeds.ts';
import type { LabelScale } from './feeds.ts';
import type { Network } from './network.ts';
import type { RowReader } from './rows.ts';
import { epochBatches, epochChunks, rowOrder } from './schedule.ts';
import type { Chunk } from './schedule.ts';
import { scoreParts } from './scoring.ts';
import type { TrainingState } from './state.ts';

export interface Training {
  net: Network;
  step: InferenceSession;
  score: InferenceSession;
  reader: RowReader;
  scale: LabelScale;
  train: readonly string[];
  validation: readonly string[];
  /** Rows of each training part. */
  counts: readonly number[];
  seed: number;
  epochs: number;
  batchSize: number;
  patience: number;
}

/** Told at each chunk's end, and at each epoch's with its losses. @returns whether to stop here */
export type Look = (state: TrainingState, losses?: Losses) => Promise<'go-on' | 'stop'>;
export interface Losses {
  train_loss: number;
  validation_loss: number;
}

/** The loss of a batch was no number: the weights after it are lost. */
export class Diverged extends Error {
  readonly step: number;
  constructor(step: number) {
    super(`the loss was not finite by step ${step}`);
    this.step = step;
  }
}

/** Advances `state` in place. @returns whether it came to its end. @throws {Diverged} */
export async function trainEpochs(training: Training, state: TrainingState, look: Look): Promise<boolean> {
  const { counts, batchSize, seed, epochs, patience } = training;
  while (state.epoch < epochs && state.patienceUsed < patience) {
    const chunks = epochChunks(counts, batchSize, seed, state.epoch);
    let order: { part: number; rows: Uint32Array } | undefined;
    while (state.chunk < chunks.length) {
      const chunk = chunks[state.chunk]!;
      if (order?.part !== chunk.part) {
        const rows = rowOrder(counts[chunk.part]!, seed, state.epoch, chunk.part);
        order = { part: chunk.part, rows };
      }
      await trainChunk(training, state, chunk, order.rows);
      if ((await look(state)) === 'stop') return false;
    }
    const losses = await endEpoch(training, state);
    if ((await look(state, losses)) === 'stop') return false;
  }
  return true;
}

export function stepsOf({ counts, batchSize, epochs }: Training): number {
  return epochBatches(counts, batchSize) * epochs;
}

async function trainChunk(
  { net, step, reader, scale, train }: Training,
  state: TrainingState,
  { part, from, until, batches }: Chunk,
  order: Uint32Array,
): Promise<void> {
  const vector = (values: Float32Array) => new Tensor('float32', values, [net.size]);
  const result = await step.run({
    weights: vector(state.weights),
    moment1: vector(state.moment1),
    moment2: vector(state.moment2),
    time: new Tensor('float32', [state.step], []),
    batches: new Tensor('int64', [BigInt(batches)], []),
    ...chunkFeeds(await reader.read(train[part]!), order, from, until, scale),
  });
  const values = (name: string) => result[name]!.data as Float32Array;
  state.step += batches;
  state.chunk += 1;
  state.lossSum += values('loss')[0]!;
  state.lossBatches += batches;
  if (!Number.isFinite(state.lossSum)) throw new Diverged(state.step);
  state.weights = values("weights'");
  state.moment1 = values("moment1'");
  state.moment2 = values("moment2'");
}

/** Judges the epoch on the validation rows, and turns to the next. */
async function endEpoch(training: Training, state: TrainingState): Promise<Losses> {
  const { score, reader, validation, net, scale } = training;
  const { loss } = await scoreParts(score, reader, validation, state.weights, net, scale);
  if (!Number.isFinite(loss)) throw new Diverged(state.step);
  const losses = { train_loss: state.lossSum / state.lossBatches, validation_loss: loss };
  const better = loss < state.bestLoss;
  if (better) Object.assign(state, { best: state.weights.slice(), bestLoss: loss, bestEpoch: state.epoch });
  state.patienceUsed = better ? 0 : state.patienceUsed + 1;
  Object.assign(state, { epoch: state.epoch + 1, chunk: 0, lossSum: 0, lossBatches: 0 });
  return losses;
}
