/** Bins of equal width, as numpy makes them by Sturges' rule, and the rows of each from counts below their edges. */
import type { Bin } from './bins.ts';

export interface Spread {
  min: number;
  max: number;
  /** How many numbers the rule counts. */
  count: number;
  /** All are whole: bins narrower than 1 would stay empty. */
  whole: boolean;
}

/**
 * Edges of ⌈log₂ n + 1⌉ bins from the smallest to the largest number, at least two edges.
 *
 * @see numpy 2, `histogram_bin_edges(bins='sturges')`; Sturges, "The choice of a class interval" (1926)
 */
export function sturgesEdges({ min, max, count, whole }: Spread): number[] {
  if (min === max) return [min - 0.5, max + 0.5];
  const range = max - min;
  const wanted = range / (Math.log2(count) + 1);
  const bins = Math.ceil(range / (whole && wanted < 1 ? 1 : wanted));
  const step = range / bins;
  return Array.from({ length: bins + 1 }, (_, i) => (i === bins ? max : i * step + min));
}

/** How many rows of each side are below a number. */
export type Below = (edge: number) => { reference: number; current: number };

/** Half-open bins, the last one closed. @param all rows of each side, which all lie between the outer edges */
export function binsBetween(
  edges: readonly number[],
  below: Below,
  all: { reference: number; current: number },
): Bin[] {
  const bounds = edges.map((edge, i) =>
    i === 0 ? { reference: 0, current: 0 } : i === edges.length - 1 ? all : below(edge),
  );
  return bounds.slice(1).map((upper, i) => ({
    reference: upper.reference - bounds[i]!.reference,
    current: upper.current - bounds[i]!.current,
  }));
}
