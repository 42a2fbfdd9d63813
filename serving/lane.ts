/**
 * One lane a loaded version: whatever requests arrived in this turn of the event loop run as one batch.
 *
 * A run blocks the loop, so there is at most one a turn, and no request waits for others to come. Requests were
 * validated before they are here; should a batch fail all the same, each runs alone, so that none pays for another.
 */
import type { Columns } from '../contracts/serving.ts';
import type { ColumnBatch } from '../infra/onnx/session.ts';
import type { Rows } from './protocol.ts';

export type Outputs = Record<string, Float32Array>;
export type Run = (columns: ColumnBatch) => Promise<Outputs>;

/** Rows of a batch; a single request with more runs alone. */
const maxBatchRows = 64;

interface Waiting {
  rows: Rows;
  resolve(outputs: Outputs): void;
  reject(error: unknown): void;
}

export class Lane {
  readonly #run: Run;
  #waiting: Waiting[] = [];
  #scheduled = false;

  constructor(run: Run) {
    this.#run = run;
  }

  /** @returns each output, row-major, of these rows. @throws what the model throws on these rows */
  infer(rows: Rows): Promise<Outputs> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ rows, resolve, reject });
      this.#schedule();
    });
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
    let rows = 0;
    let count = 0;
    for (const { rows: next } of this.#waiting) {
      if (count > 0 && rows + next.count > maxBatchRows) break;
      rows += next.count;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #runBatch(batch: Waiting[]): Promise<void> {
    try {
      const outputs = await this.#run(batch.length === 1 ? batch[0]!.rows.columns : joined(batch));
      const total = batch.reduce((sum, { rows }) => sum + rows.count, 0);
      let from = 0;
      for (const { rows, resolve } of batch) {
        resolve(slice(outputs, from, from + rows.count, total));
        from += rows.count;
      }
    } catch (error) {
      if (batch.length === 1) batch[0]!.reject(error);
      else for (const one of batch) await this.#runBatch([one]);
    }
  }
}

function joined(batch: readonly Waiting[]): Columns {
  const names = Object.keys(batch[0]!.rows.columns);
  return Object.fromEntries(names.map((name) => [name, batch.flatMap(({ rows }) => rows.columns[name]!)]));
}

function slice(outputs: Outputs, from: number, until: number, total: number): Outputs {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, values]) => {
      const width = values.length / total;
      return [name, values.subarray(from * width, until * width)];
    }),
  );
}
