/** The space of a search: a point of it by number on a grid, or by chance. */
import type { Dimension, Search } from '../../../contracts/training.ts';
import { gridValues } from '../../../contracts/training.ts';

export type Point = Record<string, unknown>;
type Space = Search['space'];

/** @param number from 0; the first parameter turns slowest */
export function gridPoint(space: Space, number: number): Point {
  const point: [string, unknown][] = [];
  let left = number;
  for (const [name, dimension] of Object.entries(space).toReversed()) {
    const values = gridValues(dimension)!;
    point.unshift([name, values[left % values.length]]);
    left = Math.floor(left / values.length);
  }
  return Object.fromEntries(point);
}

/** @param next uniform in [0, 1) */
export function randomPoint(space: Space, next: () => number): Point {
  return Object.fromEntries(
    Object.entries(space).map(([name, dimension]) => [name, randomValue(dimension, next)]),
  );
}

function randomValue(dimension: Dimension, next: () => number): unknown {
  if ('values' in dimension) return dimension.values[Math.floor(next() * dimension.values.length)];
  const { low, high } = rangeOf(dimension);
  return valueAt(dimension, low + next() * (high - low));
}

export type Numeric = Exclude<Dimension, { values: unknown[] }>;

/** The line that is drawn on: the numbers themselves, or their logarithms. */
export function rangeOf({ min, max, scale }: Numeric): { low: number; high: number } {
  return scale === 'log' ? { low: Math.log(min), high: Math.log(max) } : { low: min, high: max };
}

export function placeOf({ scale }: Numeric, value: number): number {
  return scale === 'log' ? Math.log(value) : value;
}

/** Back from the line: on a step, and within the bounds. */
export function valueAt({ min, max, scale, step }: Numeric, place: number): number {
  const value = scale === 'log' ? Math.exp(place) : place;
  const stepped = step === undefined ? value : min + Math.round((value - min) / step) * step;
  const last = step === undefined ? max : min + Math.floor((max - min) / step + 1e-9) * step;
  return Number(Math.min(last, Math.max(min, stepped)).toPrecision(12));
}
