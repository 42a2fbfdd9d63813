/** What a replica counts of one version, from the moment it loaded it. */
import { latencyBoundsMs } from '../contracts/serving.ts';
import type { VersionCounters } from '../contracts/serving.ts';

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

  /** @param mine and `other` row-major, `width` values a row: class probabilities when there is more than one */
  compared(mine: Float32Array, other: Float32Array, width: number): void {
    const sums = this.value.agreement;
    for (let at = 0; at < mine.length; at += width) {
      const x = mine[at]!;
      const y = other[at]!;
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

function highest(values: Float32Array, at: number, width: number): number {
  let best = 0;
  for (let i = 1; i < width; i++) if (values[at + i]! > values[at + best]!) best = i;
  return best;
}
