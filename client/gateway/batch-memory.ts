/** Batches that were written or looked at last: who sends an event again, sends it soon. */
import type { Batch } from '../../contracts/inbox.ts';

const bytesAtMost = 32_000_000;

export class BatchMemory {
  /** Oldest first. */
  readonly #batches = new Map<number, { batch: Batch; bytes: number }>();
  #bytes = 0;

  get(seq: number): Batch | undefined {
    return this.#batches.get(seq)?.batch;
  }

  put(batch: Batch, bytes: number): void {
    if (this.#batches.has(batch.seq)) return;
    this.#batches.set(batch.seq, { batch, bytes });
    this.#bytes += bytes;
    for (const [seq, oldest] of this.#batches) {
      if (this.#bytes <= bytesAtMost) return;
      this.#batches.delete(seq);
      this.#bytes -= oldest.bytes;
    }
  }
}
