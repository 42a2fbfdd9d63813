/** Windows that differ by nature: how far is usual, by Student's law, and how often such windows alarm. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareSummaries } from '../../../activities/monitor/comparison/fast.ts';
import { decide, defaultRule } from '../../../activities/monitor/decide.ts';
import { usualOf } from '../../../activities/monitor/effects.ts';
import { normalQuantile, studentQuantile } from '../../../activities/monitor/statistics/quantiles.ts';
import { normal, random } from '../../../activities/train/random.ts';
import type { NumberColumn, Summary } from '../../../contracts/drift.ts';

test('quantiles, by published values', () => {
  const near = (found: number, wanted: number, within: number) =>
    assert.ok(Math.abs(found - wanted) <= within, `${found} is not ${wanted}`);
  near(normalQuantile(0.05), 1.959964, 1e-6);
  near(normalQuantile(0.001), 3.290527, 1e-6);
  near(studentQuantile(0.05, 10), 2.228139, 1e-3);
  near(studentQuantile(0.01, 30), 2.749996, 1e-3);
  near(studentQuantile(0.001, 6), 5.958816, 0.02);
});

function columnOf(name: string, values: readonly number[]): NumberColumn {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const sorted = [...counts].sort(([a], [b]) => a - b);
  return {
    ...{ name, kind: 'number', rows: values.length, nulls: 0, infinite: 0, layout: null },
    ...{ min: sorted[0]![0], max: sorted.at(-1)![0] },
    ...{ at: sorted.map(([value]) => value), counts: sorted.map(([, n]) => n) },
  };
}

const summaryOf = (columns: NumberColumn[]): Summary => ({
  ...{ summary: 'esteira/1', source: 'made', rows: columns[0]!.rows, columns, skipped: [] },
});

const names = Array.from({ length: 6 }, (_, i) => `c${i}`);
const rows = 450; // so that the reference is beyond what KS counts paths for

/** Each column has a mood of its own in each window; `shift` is beside that, of the first. */
function windowOf(g: () => number, shift = 0): number[][] {
  return names.map((_, i) => {
    const mood = 0.3 * g() + (i === 0 ? shift : 0);
    return Array.from({ length: rows }, () => Math.round((mood + g()) * 50) / 50);
  });
}

test('columns with moods raise few alarms, and one that goes further than ever raises one', () => {
  let [alarms, found, naive, windows] = [0, 0, 0, 0];
  for (let seed = 0; seed < 2; seed++) {
    const g = normal(random(seed));
    const past = Array.from({ length: 24 }, () => windowOf(g));
    const reference = summaryOf(
      names.map((name, i) =>
        columnOf(
          name,
          past.flatMap((window) => window[i]!),
        ),
      ),
    );
    const against = (window: number[][]) => {
      const current = summaryOf(window.map((values, i) => columnOf(names[i]!, values)));
      return names.map((name) => compareSummaries({ reference, current }, name));
    };
    const seen = past.map(against);
    const share = defaultRule.alpha / names.length;
    const usual = Object.fromEntries(
      names.map((name, i) => [
        name,
        usualOf(
          seen.map((compared) => compared[i]!),
          share,
        ),
      ]),
    );
    const sides = { reference: reference.rows, current: rows };
    for (let n = 0; n < 30; n++, windows++) {
      const compared = against(windowOf(g));
      if (decide(compared, sides, { ...defaultRule, usual }).some(({ drifted }) => drifted)) alarms++;
      if (decide(compared, sides).some(({ drifted }) => drifted)) naive++;
      if (decide(against(windowOf(g, 2.5)), sides, { ...defaultRule, usual })[0]!.drifted) found++;
    }
  }
  assert.ok(alarms <= 0.1 * windows, `${alarms} of ${windows} alarmed`);
  assert.ok(naive > 0.9 * windows, `without what is usual only ${naive} of ${windows} did`);
  assert.ok(found >= 0.9 * windows, `${found} of ${windows} were found`);
});
