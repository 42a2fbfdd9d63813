/**
 * Everything that the next step depends on, and its file: a successor that reads it goes on as if nothing
 * had happened. No clock and no count of checkpoints is in it.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Network } from './network.ts';
import { firstWeights } from './network.ts';

export interface TrainingState {
  epoch: number;
  /** Chunks of this epoch that are done. */
  chunk: number;
  /** Batches done in all. */
  step: number;
  /** Sum of the losses of this epoch's batches so far, and how many they are. */
  lossSum: number;
  lossBatches: number;
  /** The best epoch's validation loss; infinite before the first. */
  bestLoss: number;
  bestEpoch: number;
  /** Epochs since then. */
  patienceUsed: number;
  weights: Float32Array;
  moment1: Float32Array;
  moment2: Float32Array;
  best: Float32Array;
}

const arrays = ['weights', 'moment1', 'moment2', 'best'] as const;

/** Raised when the same numbers would mean something else. */
const format = 1;

export function firstState(net: Network, seed: number): TrainingState {
  const weights = firstWeights(net, seed);
  return {
    epoch: 0,
    chunk: 0,
    step: 0,
    lossSum: 0,
    lossBatches: 0,
    bestLoss: Infinity,
    bestEpoch: -1,
    patienceUsed: 0,
    weights,
    moment1: new Float32Array(net.size),
    moment2: new Float32Array(net.size),
    best: weights.slice(),
  };
}

/** One line of JSON, padded to a multiple of 4 bytes, then the four arrays. The name appears when it is whole. */
export async function writeState(path: string, state: TrainingState): Promise<void> {
  const { weights, moment1, moment2, best, ...rest } = state;
  // JSON has no infinity.
  const bestLoss = Number.isFinite(rest.bestLoss) ? rest.bestLoss : null;
  const header = JSON.stringify({ format, ...rest, bestLoss, size: weights.length });
  const padded = `${header.padEnd(header.length + 3 - (header.length % 4))}\n`;
  const values = [weights, moment1, moment2, best].map(bytesOf);
  await writeFile(`${path}.partial`, Buffer.concat([Buffer.from(padded), ...values]));
  await rename(`${path}.partial`, path);
}

/** @returns undefined for a state of other code or another network: training then begins anew */
export async function readState(path: string, net: Network): Promise<TrainingState | undefined> {
  const bytes = await readFile(path);
  const start = bytes.indexOf(10) + 1;
  const {
    format: found,
    size,
    bestLoss,
    ...rest
  } = JSON.parse(bytes.subarray(0, start).toString()) as Header;
  const whole = bytes.length === start + arrays.length * size * 4;
  if (found !== format || size !== net.size || !whole) return undefined;
  const array = (i: number) => {
    const from = bytes.byteOffset + start + i * size * 4;
    return new Float32Array(bytes.buffer.slice(from, from + size * 4));
  };
  return {
    ...rest,
    bestLoss: bestLoss ?? Infinity,
    weights: array(0),
    moment1: array(1),
    moment2: array(2),
    best: array(3),
  };
}

type Header = Omit<TrainingState, (typeof arrays)[number] | 'bestLoss'> & {
  format: number;
  bestLoss: number | null;
  size: number;
};

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);
