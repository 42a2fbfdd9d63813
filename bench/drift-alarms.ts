/**
 * The default rule for drift by simulation: how often it alarms although nothing has changed, over kinds of columns and
 * sizes of tables, and how often it finds what has. Seeded: the same numbers on every machine.
 */
import { decide } from '../activities/monitor/decide.ts';
import {
  categoryStatistics,
  countsOfValues,
  numberStatistics,
} from '../activities/monitor/comparison/statistics.ts';
import type { Weighed } from '../activities/monitor/statistics/weighted-values.ts';
import { random } from '../activities/train/random.ts';
import type { Compared } from '../contracts/drift.ts';
import { atLeast, atMost } from './row.ts';
import type { Row } from './row.ts';

type Next = () => number;
/** One row's value; null is a missing one. Numbers of category columns are names. */
export type Draw = (next: Next) => number | null;

export interface Kind {
  kind: 'number' | 'category';
  draw: Draw;
}

function bell(next: Next): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

/** Zipf's shares: the first of `count` names is the most frequent. */
function names(count: number): Draw {
  const ends: number[] = [];
  for (let i = 0, sum = 0; i < count; i++) ends.push((sum += 1 / (i + 1)));
  return (next) => {
    const at = next() * ends.at(-1)!;
    return ends.findIndex((end) => at < end);
  };
}

export const kinds: Record<string, Kind> = {
  normal: { kind: 'number', draw: bell },
  skewed: { kind: 'number', draw: (next) => Math.exp(1.5 * bell(next)) },
  'integers to 10': { kind: 'number', draw: (next) => Math.floor(next() ** 2 * 11) },
  'integers to 200': { kind: 'number', draw: (next) => Math.floor(next() ** 2 * 201) },
  '95 % missing': { kind: 'number', draw: (next) => (next() < 0.95 ? null : bell(next)) },
  '5 categories': { kind: 'category', draw: names(5) },
  '50 categories': { kind: 'category', draw: names(50) },
  '500 categories': { kind: 'category', draw: names(500) },
};

/** Rows of the reference, of the window, and repetitions. */
export const sizes: [reference: number, current: number, times: number][] = [
  [100, 100, 400],
  [200, 200, 400],
  [1_000, 200, 400],
  [1_001, 100, 400],
  [5_000, 200, 200],
  [5_000, 5_000, 200],
  [100_000, 10_000, 40],
  [1_000_000, 1_000_000, 4],
];

export function compared(
  name: string,
  { kind }: Kind,
  sides: [reference: Draw, current: Draw],
  rows: [number, number],
  next: Next,
): Compared {
  const counts = new Map<number, Weighed>();
  const used = { reference: 0, current: 0 };
  for (const [i, side] of (['reference', 'current'] as const).entries())
    for (let row = 0; row < rows[i]!; row++) {
      const value = sides[i]!(next);
      if (value === null) continue;
      let found = counts.get(value);
      if (!found) counts.set(value, (found = { value, reference: 0, current: 0 }));
      found[side]++;
      used[side]++;
    }
  const values = [...counts.values()].toSorted((a, b) => a.value - b.value);
  const both = used.reference > 0 && used.current > 0;
  const share = (side: 'reference' | 'current', all: number) => (all - used[side]) / all;
  const nullShare = { reference: share('reference', rows[0]), current: share('current', rows[1]) };
  if (kind === 'category') {
    const statistics = categoryStatistics(values);
    const newCategoryShare = (statistics.unseen?.statistic ?? 0) / Math.max(1, used.current);
    return { name, kind, used, nullShare, newCategoryShare, ...statistics };
  }
  const whole = values.every(({ value }) => Number.isInteger(value));
  return {
    name,
    kind,
    used,
    nullShare,
    ...numberStatistics(both ? countsOfValues(values, whole) : undefined),
  };
}

/** @returns the share of windows in which any of the columns alarmed */
export function alarms(
  columns: [name: string, kind: Kind, current: Draw][],
  [reference, current, times]: [number, number, number],
  seed: number,
): number {
  let many = 0;
  for (let i = 0; i < times; i++) {
    const next = random(seed, i);
    const rows: [number, number] = [reference, current];
    const found = columns.map(([name, kind, now]) => compared(name, kind, [kind.draw, now], rows, next));
    if (decide(found, { reference, current }).some(({ drifted }) => drifted)) many++;
  }
  return many / times;
}

/** What has changed, and from how many rows on it is to be found: rows on each side. */
export const shifts: [what: string, kind: Kind, current: Draw, rows: number][] = [
  ['normal, mean + 0.5 σ', kinds['normal']!, (next) => bell(next) + 0.5, 200],
  ['normal, mean + 0.25 σ', kinds['normal']!, (next) => bell(next) + 0.25, 1_000],
  ['normal, spread × 1.5', kinds['normal']!, (next) => bell(next) * 1.5, 1_000],
  [
    'normal, 2 % of rows 100 times as large',
    kinds['normal']!,
    (next) => bell(next) * (next() < 0.02 ? 100 : 1),
    100_000,
  ],
  ['skewed, × 1.5', kinds['skewed']!, (next) => 1.5 * Math.exp(1.5 * bell(next)), 1_000],
  ['integers to 200, + 15', kinds['integers to 200']!, (next) => Math.floor(next() ** 2 * 201) + 15, 1_000],
  [
    '5 categories, 10 % of rows become the last one',
    kinds['5 categories']!,
    (next) => (next() < 0.1 ? 4 : names5(next)),
    1_000,
  ],
  [
    '50 categories, 5 % of rows are new',
    kinds['50 categories']!,
    (next) => (next() < 0.05 ? 50 : names50(next)),
    1_000,
  ],
  [
    '500 categories, 10 % of rows are new',
    kinds['500 categories']!,
    (next) => (next() < 0.1 ? 500 + Math.floor(next() * 100) : names500(next)),
    2_000,
  ],
  ['missing 5 % → 15 %', { kind: 'number', draw: missing(0.05) }, missing(0.15), 300],
  ['missing 0 → 3 %', { kind: 'number', draw: bell }, missing(0.03), 1_000],
];

function missing(share: number): Draw {
  return (next) => (next() < share ? null : bell(next));
}
const [names5, names50, names500] = [names(5), names(50), names(500)] as const;

type Column = Parameters<typeof alarms>[0][number];

export function driftAlarms(): Promise<Row[]> {
  const rows: Row[] = [];
  // Twice the standard error of a share of 5 % is allowed: that much is chance of the simulation.
  const bar = (times: number) => 5 + 200 * Math.sqrt((0.05 * 0.95) / times);
  const all = Object.entries(kinds).map(([name, kind]): Column => [name, kind, kind.draw]);
  for (const [name, kind, draw] of all)
    for (const size of sizes) {
      const rate = alarms([[name, kind, draw]], size, 1);
      rows.push(atMost(`false alarms, ${name}, ${size[0]} / ${size[1]} rows`, rate * 100, '%', bar(size[2])));
    }
  const wide = [...all, ...all].map(([name, kind, draw], i): Column => [`${name} ${i}`, kind, draw]);
  for (const [reference, current, times] of sizes.slice(0, 5)) {
    const rate = alarms(wide, [reference, current, Math.min(300, times)], 2);
    const what = `false alarms, ${wide.length} columns, ${reference} / ${current} rows`;
    rows.push(atMost(what, rate * 100, '%', bar(300)));
  }
  for (const [what, kind, now, count] of shifts) {
    const times = count > 10_000 ? 10 : 200;
    const alone = alarms([[what, kind, now]], [count, count, times], 3);
    rows.push(atLeast(`found, ${what}, ${count} rows a side`, alone * 100, '%', 90));
  }
  return Promise.resolve(rows);
}
