/** The default rule for drift: what chance does, what does not matter, and what users say themselves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../../activities/monitor/decide.ts';
import { benjaminiHochberg } from '../../../activities/monitor/statistics/benjamini-hochberg.ts';
import { pooledChiSquared } from '../../../activities/monitor/statistics/pooled-chi-squared.ts';
import { alarms, compared, kinds, shifts } from '../../../bench/drift-alarms.ts';
import { random } from '../../../activities/train/random.ts';
import type { Threshold } from '../../../contracts/drift.ts';

test('p-values are adjusted as statsmodels does', () => {
  assert.deepEqual(
    benjaminiHochberg([0.01, 0.04, 0.03, 0.005]).map((p) => Number(p.toFixed(12))),
    [0.02, 0.04, 0.04, 0.02],
  );
  assert.deepEqual(
    benjaminiHochberg([0.9, 0.2, 1]).map((p) => Number(p.toFixed(12))),
    [1, 0.6, 1],
  );
  assert.deepEqual(benjaminiHochberg([]), []);
});

test('rare categories are one, and names that occur once say nothing', () => {
  const once = Array.from({ length: 200 }, (_, i) => ({ reference: i % 2, current: 1 - (i % 2) }));
  assert.equal(pooledChiSquared(once).pValue, 1); // one category is left: all of them
  const some = pooledChiSquared([{ reference: 100, current: 80 }, ...once.slice(0, 40)]);
  const told = pooledChiSquared([
    { reference: 100, current: 80 },
    { reference: 20, current: 20 },
  ]);
  assert.deepEqual(some, told);
});

// Seeded, so the same each time; the table of all kinds and sizes is `npm run bench -- drift-alarms`.
for (const [name, kind] of Object.entries(kinds)) {
  test(`nothing has changed, ${name}: few alarms`, () => {
    for (const [reference, current] of [
      [200, 200],
      [1_000, 200],
    ] as const) {
      const rate = alarms([[name, kind, kind.draw]], [reference, current, 200], 11);
      assert(rate <= 0.09, `${reference}/${current}: ${rate}`); // 5 %, and three standard errors less a bit
    }
  });
}

for (const [what, kind, now, rows] of shifts.filter(([, , , count]) => count <= 2_000)) {
  test(`it is found: ${what}`, () => {
    const rate = alarms([[what, kind, now]], [rows, rows, 60], 12);
    assert(rate >= 0.85, String(rate));
  });
}

test('a million rows alarm on nothing that is too little to matter', () => {
  const normal = kinds['normal']!;
  const sides = [normal.draw, (next: () => number) => normal.draw(next)! + 0.02] as const;
  const column = compared('x', normal, [...sides], [200_000, 200_000], random(1, 1));
  assert(column.ks!.pValue < 1e-4);
  const [said] = decide([column], { reference: 200_000, current: 200_000 });
  assert.equal(said!.drifted, false);
  assert.match(said!.why, /^too little to matter: KS is 0\.0/);
});

test('among many columns one p below 0.05 is chance', () => {
  const normal = kinds['normal']!;
  const rows = { reference: 100, current: 100 };
  const column = compared('x', normal, [normal.draw, normal.draw], [100, 100], random(3, 3));
  const weak = { ...column, ks: { statistic: 0.2, pValue: 0.03 } };
  assert.equal(decide([weak], rows)[0]!.drifted, true);
  const quiet = Array.from({ length: 9 }, () => ({ ...column, ks: { statistic: 0.05, pValue: 0.9 } }));
  const [among] = decide([weak, ...quiet], rows);
  assert.deepEqual([among!.drifted, among!.why], [false, 'chance explains it: p is 0.3']);
});

test('a threshold of the user decides by itself, the last that fits', () => {
  const normal = kinds['normal']!;
  const rows = { reference: 200, current: 200 };
  const column = compared('x', normal, [normal.draw, normal.draw], [200, 200], random(5, 5));
  const say = (...thresholds: Threshold[]) => decide([column], rows, { alpha: 0.05, thresholds })[0]!;
  assert.equal(say({ statistic: 'psi', limit: 0 }).rule, 'psi');
  assert.match(say({ statistic: 'psi', limit: 9 }).why, /^psi is [0-9.]+, less than 9$/);
  assert.equal(
    say({ statistic: 'psi', limit: 0 }, { column: 'x', statistic: 'ks', limit: 0 }).drifted,
    false,
  );
  assert.equal(say({ column: 'y', statistic: 'psi', limit: 0 }).rule, null);
  assert.equal(say({ statistic: 'chi2', limit: 0.05 }).why, 'it has no chi2');
  assert.match(say({ statistic: 'ks', limit: 1.1 }).why, /^ks is .*, below 1\.1$/);
});
