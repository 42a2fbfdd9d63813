/** Numbers counted into a layout's bins while they stream by. */
import { beyond, scaleOf } from './layout.ts';
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

/** Nearly all numbers are within the layout: these are counted in an array, the others in a map. */
export function tallyOf(layout: Layout): Tally {
  const within = new Float64Array(layout.bins);
  const outside = new Map<number, number>();
  let [infinite, min, max] = [0, Infinity, -Infinity];

  return {
    add(values) {
      const [{ low, bins }, scale] = [layout, scaleOf(layout)];
      // In variables of this loop, which runs once a row.
      let [least, most] = [min, max];
      for (let i = 0; i < values.length; i++) {
        const value = values[i]!;
        const u = (value - low) * scale;
        if (u >= 0 && u < bins) within[Math.floor(u)]!++;
        else if (Number.isFinite(value)) {
          const bin = beyond(layout, u);
          outside.set(bin, (outside.get(bin) ?? 0) + 1);
        } else {
          if (!Number.isNaN(value)) infinite++;
          continue;
        }
        if (value < least) least = value;
        if (value > most) most = value;
      }
      [min, max] = [least, most];
    },

    counted() {
      const cells = [...outside];
      within.forEach((n, bin) => n > 0 && cells.push([bin, n]));
      cells.sort(([a], [b]) => a - b);
      return {
        at: cells.map(([bin]) => bin),
        counts: cells.map(([, n]) => n),
        infinite,
        ...(cells.length > 0 ? { min, max } : { min: null, max: null }),
      };
    },
  };
}
