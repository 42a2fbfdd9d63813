/** Which rows, in which order: a pure function of the seed and the epoch, so that any attempt agrees. */
import { permutation, random } from './random.ts';

/** A run of rows of one part, in that part's shuffled order; whole batches, but for the part's last. */
export interface Chunk {
  part: number;
  from: number;
  until: number;
  batches: number;
}

/** Rows between two looks at signals and the clock: some tens of milliseconds. */
const chunkRows = 32_768;

/** @param counts rows of each part */
export function epochChunks(
  counts: readonly number[],
  batchSize: number,
  seed: number,
  epoch: number,
): Chunk[] {
  const size = Math.max(1, Math.floor(chunkRows / batchSize)) * batchSize;
  return [...permutation(counts.length, random(seed, 1, epoch))].flatMap((part) => {
    const rows = counts[part]!;
    return Array.from({ length: Math.ceil(rows / size) }, (_, i) => {
      const from = i * size;
      const until = Math.min(rows, from + size);
      return { part, from, until, batches: Math.ceil((until - from) / batchSize) };
    });
  });
}

export function rowOrder(rows: number, seed: number, epoch: number, part: number): Uint32Array {
  return permutation(rows, random(seed, 2, epoch, part));
}

export function epochBatches(counts: readonly number[], batchSize: number): number {
  return counts.reduce((sum, rows) => sum + Math.ceil(rows / batchSize), 0);
}
