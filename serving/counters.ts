/** What a replica counts of one version, from the moment it loaded it. */
import { latencyBoundsMs } from '../contracts/serving.ts';
import type { VersionCounters } from '../contracts/serving.ts';
import type { Feed } from '../infra/onnx/session.ts';

export class Counters {
  readonly value: VersionCounters;

  constructor(version: number) {
    this.value = {
      version,
      requests: 0,
      rows: 0,
      errors: 0,
      latency: Array.from({ length: latencyBoundsMs.length + 1 }, () => 0),
      agreement: { n: 0, x: 0, y: 0, xx: 0, yy: 0, xy: 0, same: 0 },
    };
  }

  answered(rows: number, ms: number): void {
    const bucket = latencyBoundsMs.findIndex((bound) => ms <= bound);
    this.value.requests++;
    this.value.rows += rows;
    this.value.latency[bucket === -1 ? latencyBoundsMs.length : bucket]!++;
  }

  /** The version's own fault: a request that did not fit its signature is the caller's. */
  failed(): void {
    this.value.requests++;
    this.value.errors++;
  }

  /** Of the first output, row-major: class probabilities when there is more than one value a row. Texts are not compared. */
  compared({ values: mine }: Feed, { values: other }: Feed, rows: number): void {
    if (Array.isArray(mine) || Array.isArray(other) || mine.length !== other.length) return;
    const width = mine.length / rows;
    const sums = this.value.agreement;
    for (let at = 0; at < mine.length; at += width) {
      const x = Number(mine[at]);
      const y = Number(other[at]);
      sums.n++;
      sums.x += x;
      sums.y += y;
      sums.xx += x * x;
      sums.yy += y * y;
      sums.xy += x * y;
      if (width > 1 && highest(mine, at, width) === highest(other, at, width)) sums.same++;
    }
  }
}

function highest(values: ArrayLike<number | bigint>, at: number, width: number): number {
  let best = 0;
  for (let i = 1; i < width; i++) if (values[at + i]! > values[at + best]!) best = i;
  return best;
}
