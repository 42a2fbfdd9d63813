/**
 * The quality guard by simulation: how often it stops a version that is as good as the champion, and after how many
 * labels it stops one that is worse. Seeded: the same numbers on every machine.
 *
 * Two versions score the same rows. They err together more often than not, as versions of one model do; the labels of
 * a batch come, the guard looks, and so on until it stops the version or the labels end.
 */
import { capital, unit } from '../activities/deploy/betting.ts';
import type { Differences } from '../activities/deploy/betting.ts';
import { random } from '../activities/train/random.ts';
import { atMost, just, median } from './row.ts';
import type { Row } from './row.ts';

/** One labelled row: what each version loses on it. */
export type Draw = (next: () => number) => { mine: number; champions: number };

/** Errors of both at `rate`; the champion's error is shared in `together` of the cases; mine is `worse` more often wrong. */
export function errors(rate: number, together: number, worse: number): Draw {
  return (next) => {
    const champions = next() < rate ? 1 : 0;
    const mine = next() < together ? champions : next() < rate ? 1 : 0;
    return { mine: mine === 0 && next() < worse / (1 - rate) ? 1 : mine, champions };
  };
}

/** Brier losses of two noisy scores of one logit; `noise` beyond the champion's makes mine worse. */
export function brier(noise: number): Draw {
  return (next) => {
    const logit = 3 * (next() - 0.5);
    const label = next() < 1 / (1 + Math.exp(-logit)) ? 1 : 0;
    const score = (spread: number) => 1 / (1 + Math.exp(-(logit + spread * (2 * next() - 1))));
    return { mine: (score(0.5 + noise) - label) ** 2, champions: (score(0.5) - label) ** 2 };
  };
}

/** Positive labels come late, as frauds do: the first rows are of one kind, and both versions err on them alike. */
export function drifting(rate: number): Draw {
  let n = 0;
  return (next) => errors(n++ % 2_000 < 1_000 ? rate / 2 : rate * 1.5, 0.7, 0)(next);
}

/** Labels in the order in which they come; a look after each `batch` of them. */
export interface Simulation {
  labels: number;
  batch: number;
  alpha: number;
  /** Both directions, each with half of α, as an A/B does. */
  both?: boolean;
}

/** @returns the labels until it stopped, or null */
export type Rule = (draw: Draw, how: Simulation, next: () => number) => number | null;

export const betting: Rule = (draw, { labels, batch, alpha, both = false }, next) => {
  const [worse, better] = [new Map<number, number>(), new Map<number, number>()];
  const limit = (both ? 2 : 1) / alpha;
  for (let n = 1; n <= labels; n++) {
    const { mine, champions } = draw(next);
    const difference = Math.max(-1, Math.min(1, mine - champions));
    add(worse, Math.floor(difference / unit));
    add(better, Math.floor(-difference / unit));
    if (n % batch !== 0 || n < 50) continue;
    if (capital(list(worse)) > limit || (both && capital(list(better)) > limit)) return n;
  }
  return null;
};

/** What is often done instead: a one-sided z-test of the mean difference at each look. */
export const peeking: Rule = (draw, { labels, batch }, next) => {
  let [sum, squares] = [0, 0];
  for (let n = 1; n <= labels; n++) {
    const { mine, champions } = draw(next);
    sum += mine - champions;
    squares += (mine - champions) ** 2;
    if (n % batch === 0 && n >= 50 && sum > 1.645 * Math.sqrt(squares - sum ** 2 / n)) return n;
  }
  return null;
};

/** @param draw makes a fresh source for each trial. @returns the share that was stopped, and the median labels until then */
export function simulate(count: number, rule: Rule, draw: () => Draw, how: Simulation) {
  const all = Array.from({ length: count }, (_, seed) => rule(draw(), how, random(seed + 1)));
  const stopped = all.filter((one) => one !== null);
  return { rate: stopped.length / count, median: stopped.length > 0 ? median(stopped) : null };
}

function add(counts: Map<number, number>, floor: number): void {
  counts.set(floor, (counts.get(floor) ?? 0) + 1);
}

const list = (counts: Map<number, number>): Differences[] => [...counts].map(([floor, n]) => ({ floor, n }));

const trials = 2_000;
const weeks = { labels: 10_000, batch: 200, alpha: 0.05 };

export function guard(): Promise<Row[]> {
  const rows: Row[] = [];
  const equal: [string, () => Draw][] = [
    ['errors of 20 %', () => errors(0.2, 0.7, 0)],
    ['errors of 2 %', () => errors(0.02, 0.7, 0)],
    ['Brier', () => brier(0)],
    ['errors, labels in waves', () => drifting(0.2)],
  ];
  for (const [name, draw] of equal) {
    const { rate } = simulate(trials, betting, draw, weeks);
    rows.push(atMost(`false alarms, ${name}`, rate * 100, '%', weeks.alpha * 100));
  }
  const often = simulate(trials, betting, equal[0]![1], { ...weeks, batch: 10 });
  rows.push(atMost('false alarms, a look every 10 labels', often.rate * 100, '%', weeks.alpha * 100));
  const both = simulate(trials, betting, equal[0]![1], { ...weeks, both: true });
  rows.push(atMost('A/B of equal versions decided', both.rate * 100, '%', weeks.alpha * 100));
  const naive = simulate(trials, peeking, equal[0]![1], weeks);
  rows.push(just('for comparison: a z-test at each look', naive.rate * 100, '%'));
  for (const [name, draw] of [
    ['20 % → 22 % errors', () => errors(0.2, 0.7, 0.02)],
    ['20 % → 24 % errors', () => errors(0.2, 0.7, 0.04)],
    ['20 % → 30 % errors', () => errors(0.2, 0.7, 0.1)],
    ['2 % → 4 % errors', () => errors(0.02, 0.7, 0.02)],
    ['Brier 0.216 → 0.227', () => brier(0.5)],
  ] as [string, () => Draw][]) {
    const { rate, median: labels } = simulate(trials / 4, betting, draw, { ...weeks, batch: 50 });
    rows.push(just(`found, ${name}`, rate * 100, '%'));
    if (labels !== null) rows.push(just(`labels until then, ${name}`, labels, ''));
  }
  return Promise.resolve(rows);
}
