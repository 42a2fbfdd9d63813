/**
 * ADWIN: a window over a stream that grows while its mean stands still, and drops its older part when two parts of it
 * have different means.
 *
 * The window is an exponential histogram: at most five buckets of 1, 2, 4, … values each, so that a stream of n values
 * takes O(log n) memory.
 *
 * @see Bifet & Gavaldà, "Learning from time-changing data with adaptive windowing", SDM 2007; River 0.26, `drift.ADWIN`
 */
import type { Detector } from './detector.ts';

export interface AdwinSettings {
  /** Confidence: smaller alarms less. */
  delta: number;
  /** Looks for a cut every so many values. */
  clock: number;
  maxBuckets: number;
  minWindowLength: number;
  gracePeriod: number;
}

const defaults: AdwinSettings = {
  ...{ delta: 0.002, clock: 32, maxBuckets: 5, minWindowLength: 5, gracePeriod: 10 },
};

interface Bucket {
  total: number;
  /** Sum of squared distances from its mean. */
  spread: number;
}

export function adwin(settings: Partial<AdwinSettings> = {}): Detector {
  const { delta, clock, maxBuckets, minWindowLength, gracePeriod } = { ...defaults, ...settings };
  // rows[i]: buckets of 2^i values, the oldest first.
  let rows: Bucket[][] = [];
  let [width, total, spread, ticks] = [0, 0, 0, 0];

  const reset = () => {
    rows = [];
    [width, total, spread, ticks] = [0, 0, 0, 0];
  };

  const insert = (value: number) => {
    const mean = width === 0 ? 0 : total / width;
    width += 1;
    spread += width === 1 ? 0 : ((width - 1) * (value - mean) ** 2) / width;
    total += value;
    (rows[0] ??= []).push({ total: value, spread: 0 });
    for (let i = 0; i < rows.length && rows[i]!.length > maxBuckets; i++) {
      const size = 2 ** i;
      const [a, b] = rows[i]!.splice(0, 2) as [Bucket, Bucket];
      const between = (size * (a.total / size - b.total / size) ** 2) / 2;
      (rows[i + 1] ??= []).push({ total: a.total + b.total, spread: a.spread + b.spread + between });
    }
  };

  const dropOldest = () => {
    const last = rows.length - 1;
    const size = 2 ** last;
    const { total: sum, spread: own } = rows[last]!.shift()!;
    width -= size;
    total -= sum;
    spread -= own + (size * width * (sum / size - total / width) ** 2) / (size + width);
    if (rows[last]!.length === 0) rows.pop();
  };

  const differs = (older: number, olderTotal: number): boolean => {
    const newer = width - older;
    const confidence = Math.log((2 * Math.log(width)) / delta);
    const variance = spread / width;
    const harmonic = 1 / (older - minWindowLength + 1) + 1 / (newer - minWindowLength + 1);
    const bar = Math.sqrt(2 * harmonic * variance * confidence) + (2 / 3) * confidence * harmonic;
    return Math.abs(olderTotal / older - (total - olderTotal) / newer) > bar;
  };

  /** Every border between buckets is a candidate but the newest bucket's own. */
  const hasCut = (): boolean => {
    let [older, olderTotal] = [0, 0];
    for (let i = rows.length - 1; i >= 0; i--) {
      for (const [at, bucket] of rows[i]!.entries()) {
        if (i === 0 && at === rows[i]!.length - 1) return false;
        older += 2 ** i;
        olderTotal += bucket.total;
        if (width - older < minWindowLength) return false;
        if (older >= minWindowLength && differs(older, olderTotal)) return true;
      }
    }
    return false;
  };

  return {
    update(value) {
      insert(value);
      ticks += 1;
      if (ticks % clock !== 0 || width <= gracePeriod) return 'stable';
      let found = false;
      while (width > gracePeriod && hasCut()) {
        found = true;
        dropOldest();
      }
      // As River has it, which begins anew with the value after a detection.
      if (found) reset();
      return found ? 'drift' : 'stable';
    },
  };
}
