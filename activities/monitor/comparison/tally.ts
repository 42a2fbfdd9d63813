/** Numbers counted into a layout's bins while they stream by. */
import { beyond, beyondAtMost, scaleOf } from './layout.ts';
import type { Layout } from './layout.ts';

export interface Tally {
  /** @param values NaN for what is missing, which is not counted */
  add(values: Float64Array): void;
  counted(): Counted;
}

interface Counted {
  /** Bins that have rows, rising, and how many each. */
  at: number[];
  counts: number[];
  infinite: number;
  /** Of the finite numbers, null where there are none. */
  min: number | null;
  max: number | null;
}

/** By a bin's number, from the lowest there may be on. */
export function tallyOf(layout: Layout): Tally {
  const rows = new Uint32Array(layout.bins + 2 * beyondAtMost);
  let [infinite, min, max] = [0, Infinity, -Infinity];
  return {
    add(values) {
      const [{ low, bins }, scale] = [layout, scaleOf(layout)];
      // In variables of this loop, which runs once a row.
      let [least, most] = [min, max];
      for (let i = 0; i < values.length; i++) {
        const value = values[i]!;
        const u = (value - low) * scale;
        if (u >= 0 && u < bins) rows[beyondAtMost + Math.floor(u)]!++;
        else if (Number.isFinite(value)) rows[beyondAtMost + beyond(layout, u)]!++;
        else {
          if (!Number.isNaN(value)) infinite++;
          continue;
        }
        if (value < least) least = value;
        if (value > most) most = value;
      }
      [min, max] = [least, most];
    },

    counted() {
      const at: number[] = [];
      const counts: number[] = [];
      rows.forEach((n, i) => {
        if (n === 0) return;
        at.push(i - beyondAtMost);
        counts.push(n);
      });
      return { at, counts, infinite, ...(at.length > 0 ? { min, max } : { min: null, max: null }) };
    },
  };
}
