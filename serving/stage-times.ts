/** Where the time of requests goes, since the version was loaded: sums, whose increase over that of the requests is a mean. */
import type { Ran } from './lane.ts';

export class StageTimes {
  requests = 0;
  decodeMs = 0;
  queueMs = 0;
  /** Of the batches that requests were in, counted once for each request. */
  computeMs = 0;
  encodeMs = 0;
  /** Of those batches too: over `requests`, how many rows ran together. */
  batchRows = 0;

  ran({ queueMs, computeMs, batchRows }: Ran): void {
    this.requests++;
    this.queueMs += queueMs;
    this.computeMs += computeMs;
    this.batchRows += batchRows;
  }
}
