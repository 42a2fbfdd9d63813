/** Statistics over bins: known answers at their ends, and what they do with bins that are empty or alike. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chiSquared, chiSquaredFit } from '../../../../activities/monitor/statistics/chi-squared.ts';
import { hellinger } from '../../../../activities/monitor/statistics/hellinger.ts';
import { jensenShannon } from '../../../../activities/monitor/statistics/jensen-shannon.ts';
import { klDivergence } from '../../../../activities/monitor/statistics/kullback-leibler.ts';
import { lInfinity, totalVariation } from '../../../../activities/monitor/statistics/largest-difference.ts';
import { psi } from '../../../../activities/monitor/statistics/psi.ts';
import { sturgesEdges } from '../../../../activities/monitor/statistics/sturges.ts';
import { distanceOf } from '../../../../activities/monitor/statistics/weighted-values.ts';
import { zTest } from '../../../../activities/monitor/statistics/z-test.ts';

const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-12, `${a} is not ${b}`);
const same = [{ reference: 30, current: 60 }, { reference: 10, current: 20 }]; // prettier-ignore
const apart = [{ reference: 7, current: 0 }, { reference: 0, current: 9 }]; // prettier-ignore

test('sides with the same shares are no distance apart', () => {
  for (const distance of [psi, klDivergence, jensenShannon, hellinger, lInfinity, totalVariation])
    assert.equal(distance(same), 0, distance.name);
  assert.deepEqual(zTest(same), { statistic: 0, pValue: 1 });
  assert.deepEqual(chiSquaredFit(same), { statistic: 0, pValue: 1 });
  assert.deepEqual(chiSquared(same), { statistic: 0, pValue: 1 });
});

test('sides with nothing in common are as far apart as can be', () => {
  near(jensenShannon(apart), Math.sqrt(Math.LN2));
  near(jensenShannon(apart, 2), 1);
  for (const distance of [hellinger, lInfinity, totalVariation]) near(distance(apart), 1);
  assert.deepEqual(chiSquaredFit(apart), { statistic: Infinity, pValue: 0 });
});

test('an empty bin is filled with 0.0001, or with a millionth of what is smaller than that', () => {
  near(psi(apart), 2 * (1 - 0.0001) * Math.log(1 / 0.0001));
  const rare = [{ reference: 99_999, current: 50_000 }, { reference: 1, current: 50_000 }, { reference: 0, current: 0 }]; // prettier-ignore
  const [r, c] = [1e-5, 0.5];
  const known = (0.99999 - 0.5) * Math.log(0.99999 / 0.5) + (r - c) * Math.log(r / c);
  near(psi(rare), known + (1e-11 - 0.0001) * Math.log(1e-11 / 0.0001));
});

test('bins with equal counts may be told together', () => {
  const single = [
    ...Array.from({ length: 3 }, () => ({ reference: 1, current: 4 })),
    { reference: 5, current: 2 },
  ];
  const together = [{ reference: 1, current: 4, alike: 3 }, { reference: 5, current: 2 }]; // prettier-ignore
  for (const distance of [psi, klDivergence, jensenShannon, hellinger, lInfinity, totalVariation])
    near(distance(together), distance(single));
  near(chiSquared(together).statistic, chiSquared(single).statistic);
  near(chiSquared(together).pValue, chiSquared(single).pValue);
});

test('a side without rows has no shares', () => {
  assert.throws(() => psi([{ reference: 3, current: 0 }]), /the current side has no rows/);
  assert.throws(() => hellinger([]), /the reference side has no rows/);
});

test('one walk over values gives both distances', () => {
  const moved = [{ value: 1, reference: 2, current: 0 }, { value: 4, reference: 0, current: 5 }]; // prettier-ignore
  assert.deepEqual(distanceOf(moved), { ks: 1, wasserstein: 3 });
  assert.deepEqual(distanceOf([{ value: 1, reference: 2, current: 9 }]), { ks: 0, wasserstein: 0 });
});

test('edges of Sturges: a bin for a constant, none narrower than 1 for whole numbers', () => {
  assert.deepEqual(sturgesEdges({ min: 3, max: 3, count: 9, whole: true }), [2.5, 3.5]);
  assert.deepEqual(sturgesEdges({ min: 0, max: 8, count: 8, whole: false }), [0, 2, 4, 6, 8]);
  assert.equal(sturgesEdges({ min: 0, max: 4, count: 1_000, whole: true }).length, 5);
  assert.equal(sturgesEdges({ min: 0, max: 4, count: 1_000, whole: false }).length, 12);
});
