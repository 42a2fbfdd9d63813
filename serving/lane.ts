/**
 * One lane a loaded version: whatever requests arrived in this turn of the event loop run as one batch.
 *
 * A run blocks its thread, so there is at most one a turn, and no request waits for others to come. Requests were
 * validated before they are here; should a batch fail all the same, each runs alone, so that none pays for another.
 */
import type { Ports } from '../contracts/serving.ts';
import type { Feed } from '../infra/onnx/session.ts';
import { Refusal } from '../infra/refusal.ts';
import { gather } from './rows.ts';
import type { Rows } from './rows.ts';

export type Run = (feeds: readonly Feed[]) => Promise<Feed[]>;

export interface LaneLimits {
  /** Rows of a batch; a single request with more runs alone. */
  batchRows: number;
  /** Rows that may wait; who comes then is sent away. */
  queueRows: number;
  /** For how long they may have to wait, by what the last ones took. */
  queueMs: number;
}

export const defaultLimits: LaneLimits = { batchRows: 256, queueRows: 20_000, queueMs: 2_000 };

export interface Ran {
  /** Of these rows alone, in the order of the signature. */
  outputs: readonly Feed[];
  queueMs: number;
  /** Of the batch that the rows were in. */
  computeMs: number;
  batchRows: number;
}

interface Waiting {
  rows: Rows;
  /** Requests of one shape share a batch. */
  shape: string;
  since: number;
  deadline: number;
  resolve(ran: Ran): void;
  reject(error: unknown): void;
}

export class Lane {
  readonly #run: Run;
  readonly #signature: Ports;
  readonly #limits: LaneLimits;
  /** Whether trailing dimensions are open, so that they must be compared. */
  readonly #shaped: boolean;
  #waiting: Waiting[] = [];
  #rows = 0;
  #scheduled = false;
  /** Of late; the newest counts a tenth. */
  #msPerRow = 0;

  /** @param limits with `batchRows` 1 for a model that answers otherwise in a batch than alone */
  constructor(run: Run, signature: Ports, limits: LaneLimits = defaultLimits) {
    this.#run = run;
    this.#signature = signature;
    this.#limits = limits;
    this.#shaped = signature.inputs.some(({ shape }) => shape.slice(1).includes(-1));
  }

  /** Rows that wait, those that run included. */
  get waiting(): number {
    return this.#rows;
  }

  /**
   * @param deadline by the clock of `performance.now`
   * @throws Refusal 429 when too many wait, 504 after the deadline; what the model throws on these rows
   */
  infer(rows: Rows, deadline = Infinity): Promise<Ran> {
    this.#admit(rows.count);
    return new Promise((resolve, reject) => {
      const shape = this.#shaped ? rows.inputs.map(({ dims }) => dims.slice(1).join()).join(';') : '';
      this.#waiting.push({ rows, shape, since: performance.now(), deadline, resolve, reject });
      this.#rows += rows.count;
      this.#schedule();
    });
  }

  #admit(count: number): void {
    const { queueRows, queueMs } = this.#limits;
    const wait = this.#rows * this.#msPerRow;
    if (this.#rows === 0 || (this.#rows + count <= queueRows && wait <= queueMs)) return;
    const sentence = `too many rows wait already: ${this.#rows}, some ${Math.round(wait)} ms of work`;
    throw new Refusal(429, sentence, Math.max(1, Math.ceil(wait / 1_000)));
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      void this.#runBatch(this.#take()).finally(() => {
        this.#scheduled = false;
        this.#schedule();
      });
    });
  }

  #take(): Waiting[] {
    const [first] = this.#waiting;
    let rows = 0;
    let count = 0;
    for (const { rows: next, shape } of this.#waiting) {
      if (count > 0 && (rows + next.count > this.#limits.batchRows || shape !== first!.shape)) break;
      rows += next.count;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #runBatch(taken: readonly Waiting[]): Promise<void> {
    const started = performance.now();
    const batch = taken.filter((one) => this.#isInTime(one, started));
    if (batch.length === 0) return;
    const total = batch.reduce((sum, { rows }) => sum + rows.count, 0);
    try {
      const feeds = this.#signature.inputs.map((spec, i) =>
        gather(
          spec,
          batch.map(({ rows }) => rows.inputs[i]!),
          total,
        ),
      );
      const outputs = await this.#run(feeds);
      const computeMs = performance.now() - started;
      this.#learn(computeMs / total);
      let from = 0;
      for (const { rows, since, resolve } of batch) {
        const own =
          batch.length === 1 ? outputs : outputs.map((feed) => slice(feed, from, rows.count, total));
        this.#rows -= rows.count;
        resolve({ outputs: own, queueMs: started - since, computeMs, batchRows: total });
        from += rows.count;
      }
    } catch (error) {
      if (batch.length > 1) for (const one of batch) await this.#runBatch([one]);
      else {
        this.#rows -= total;
        batch[0]!.reject(error);
      }
    }
  }

  #isInTime({ rows, deadline, since, reject }: Waiting, now: number): boolean {
    if (now <= deadline) return true;
    this.#rows -= rows.count;
    reject(new Refusal(504, `the deadline passed after ${Math.round(now - since)} ms in the queue`));
    return false;
  }

  #learn(msPerRow: number): void {
    this.#msPerRow = this.#msPerRow === 0 ? msPerRow : 0.9 * this.#msPerRow + 0.1 * msPerRow;
  }
}

function slice({ values, dims }: Feed, from: number, count: number, total: number): Feed {
  const width = values.length / total;
  const [start, end] = [from * width, (from + count) * width];
  const own = Array.isArray(values) ? values.slice(start, end) : values.subarray(start, end);
  return { values: own, dims: [count, ...dims.slice(1)] };
}
