/**
 * How strongly each parameter goes together with a metric over some runs: a correlation, not a cause. Ranks, so that
 * the scale of a parameter (0.001, 0.01, 0.1) does not matter.
 *
 * @see Spearman (1904), "The proof and measurement of association between two things"
 */
import type { Run, Scalar } from './run.ts';
import { namesIn, parameter } from './names.ts';

export interface Importance {
  name: string;
  /** From 0 to 1. */
  strength: number;
  /** Of the correlation; null for a parameter of words, which has no direction. */
  sign: 1 | -1 | null;
  runs: number;
}

/** Fewer say nothing: two points are always in order. */
export const runsAtLeast = 4;

/** Strongest first; only parameters that differ, over the runs that have both them and the metric. */
export function importances(runs: readonly Run[], value: (run: Run) => Scalar | undefined): Importance[] {
  const found = namesIn(runs).parameters.flatMap((name): Importance[] => {
    const of = parameter(name);
    const pairs = runs.flatMap((run) => {
      const [x, y] = [of(run), value(run)];
      return x !== undefined && typeof y === 'number' ? [{ x, y }] : [];
    });
    const kinds = new Set(pairs.map(({ x }) => x)).size;
    if (pairs.length < runsAtLeast || kinds < 2) return [];
    const ys = ranks(pairs.map(({ y }) => y));
    const numbers = pairs.map(({ x }) => x).filter((x) => typeof x === 'number');
    if (numbers.length < pairs.length) {
      if (kinds > pairs.length / 2) return []; // a word for nearly every run explains each by itself
      return [
        {
          name,
          strength: ratio(
            pairs.map(({ x }) => x),
            ys,
          ),
          sign: null,
          runs: pairs.length,
        },
      ];
    }
    const rho = pearson(ranks(numbers), ys);
    return [{ name, strength: Math.abs(rho), sign: rho < 0 ? -1 : 1, runs: pairs.length }];
  });
  return found.toSorted((a, b) => b.strength - a.strength);
}

/** From 1; equal values share the mean of their places. */
export function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const result = Array.from({ length: values.length }, () => 0);
  for (let from = 0; from < order.length;) {
    let until = from;
    while (until < order.length && values[order[until]!] === values[order[from]!]) until++;
    for (let i = from; i < until; i++) result[order[i]!] = (from + 1 + until) / 2;
    from = until;
  }
  return result;
}

/** 0 when one of them does not vary. */
export function pearson(xs: readonly number[], ys: readonly number[]): number {
  const [mx, my] = [mean(xs), mean(ys)];
  let [xx, yy, xy] = [0, 0, 0];
  for (const [i, x] of xs.entries()) {
    xx += (x - mx) ** 2;
    yy += (ys[i]! - my) ** 2;
    xy += (x - mx) * (ys[i]! - my);
  }
  return xx === 0 || yy === 0 ? 0 : xy / Math.sqrt(xx * yy);
}

/** Correlation ratio η: the root of the share of the ranks' variance that lies between the groups. @see Fisher (1925) */
function ratio(groups: readonly Scalar[], ys: readonly number[]): number {
  const all = mean(ys);
  const members = new Map<Scalar, number[]>();
  for (const [i, group] of groups.entries()) members.set(group, [...(members.get(group) ?? []), ys[i]!]);
  const total = ys.reduce((sum, y) => sum + (y - all) ** 2, 0);
  const between = [...members.values()].reduce((sum, own) => sum + own.length * (mean(own) - all) ** 2, 0);
  return total === 0 ? 0 : Math.sqrt(between / total);
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
