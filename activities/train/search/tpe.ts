/**
 * The tree-structured Parzen estimator: draws where good trials lie more densely than the others.
 *
 * Each parameter by itself: the best few trials make one density, the rest another; of some draws from the first, the
 * one with the largest ratio is taken.
 *
 * @see Bergstra, Bardenet, Bengio and Kégl, "Algorithms for Hyper-Parameter Optimization", NIPS 2011, section 4; the
 * constants are those of hyperopt, its reference
 */
import type { Dimension, Search } from '../../../contracts/training.ts';
import { normal } from '../random.ts';
import { placeOf, randomPoint, rangeOf, valueAt } from './space.ts';
import type { Numeric, Point } from './space.ts';

/** Trials that are drawn by chance before anything is learned of them. */
const startup = 10;
const gamma = 0.25;
const goodAtMost = 25;
const candidates = 24;

export interface Tried {
  parameters: Point;
  /** Smaller is better. */
  loss: number;
}

/** @param tried trials that have ended, in the order of their numbers */
export function tpePoint(space: Search['space'], tried: readonly Tried[], next: () => number): Point {
  if (tried.length < startup) return randomPoint(space, next);
  const sorted = tried.toSorted((a, b) => a.loss - b.loss);
  const count = Math.min(Math.ceil(gamma * Math.sqrt(tried.length)), goodAtMost);
  const valuesOf = (name: string, some: readonly Tried[]) => some.map(({ parameters }) => parameters[name]);
  return Object.fromEntries(
    Object.entries(space).map(([name, dimension]) => [
      name,
      drawn(dimension, valuesOf(name, sorted.slice(0, count)), valuesOf(name, sorted.slice(count)), next),
    ]),
  );
}

function drawn(dimension: Dimension, good: unknown[], bad: unknown[], next: () => number): unknown {
  if ('values' in dimension) return drawnChoice(dimension.values, good, bad, next);
  const places = (values: unknown[]) => values.map((value) => placeOf(dimension, Number(value)));
  return drawnNumber(dimension, places(good), places(bad), next);
}

/** Counts with one of each added, so that nothing is ever impossible. */
function drawnChoice(values: unknown[], good: unknown[], bad: unknown[], next: () => number): unknown {
  const keys = values.map((value) => JSON.stringify(value));
  const weights = (seen: unknown[]) => {
    const texts = seen.map((value) => JSON.stringify(value));
    return keys.map((key) => 1 + texts.filter((text) => text === key).length);
  };
  const of = weights(good);
  const against = weights(bad);
  const draws = Array.from({ length: candidates }, () => weighted(of, next));
  return values[best(draws, (i) => Math.log(of[i]!) - Math.log(against[i]!))];
}

function drawnNumber(dimension: Numeric, good: number[], bad: number[], next: () => number): number {
  const { low, high } = rangeOf(dimension);
  const of = parzen(good, low, high);
  const against = parzen(bad, low, high);
  const gauss = normal(next);
  const draws = Array.from({ length: candidates }, () => {
    for (let tries = 0; tries < 100; tries++) {
      const { mean, spread } = of[Math.floor(next() * of.length)]!;
      const place = mean + spread * gauss();
      if (place >= low && place <= high) return place;
    }
    return low + next() * (high - low);
  });
  return valueAt(
    dimension,
    best(draws, (place) => logDensity(of, place) - logDensity(against, place)),
  );
}

interface Kernel {
  mean: number;
  spread: number;
}

/** A kernel on each point as wide as the way to its farther neighbour, and one over all that knows nothing. */
function parzen(places: number[], low: number, high: number): Kernel[] {
  const width = high - low;
  const prior = { mean: (low + high) / 2, spread: width };
  const sorted = [...places, prior.mean].toSorted((a, b) => a - b);
  const least = width / Math.min(100, 1 + sorted.length);
  const kernels = sorted.map((mean, i) => {
    const left = mean - (sorted[i - 1] ?? low);
    const right = (sorted[i + 1] ?? high) - mean;
    return { mean, spread: Math.min(width, Math.max(least, left, right)) };
  });
  kernels[sorted.indexOf(prior.mean)] = prior;
  return kernels;
}

function logDensity(kernels: readonly Kernel[], place: number): number {
  let sum = 0;
  for (const { mean, spread } of kernels) sum += Math.exp(-(((place - mean) / spread) ** 2) / 2) / spread;
  return Math.log(sum / kernels.length + Number.MIN_VALUE);
}

function weighted(weights: number[], next: () => number): number {
  let left = next() * weights.reduce((sum, weight) => sum + weight, 0);
  const at = weights.findIndex((weight) => (left -= weight) < 0);
  return at < 0 ? weights.length - 1 : at;
}

/** The first of the best, so that ties fall the same way. */
function best<T>(all: readonly T[], worth: (one: T) => number): T {
  return all.reduce((most, one) => (worth(one) > worth(most) ? one : most));
}
