/** The quality guard's arithmetic: known answers, and its false alarms and its power by seeded simulation. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capital, unit } from '../../../activities/deploy/betting.ts';
import { betting, brier, drifting, errors, peeking, simulate } from '../../../bench/guard.ts';

const all = 1 / unit;
const how = { labels: 3_000, batch: 100, alpha: 0.05 };

test('no rows are no evidence; a win multiplies the capital by 1 + stake, a loss takes it', () => {
  assert.equal(capital([]), 1);
  const mean = (0.005 + 0.01 + 0.02 + 0.04 + 0.08 + 0.16 + 0.32 + 0.64 + 0.9) / 9;
  assert(Math.abs(capital([{ floor: all, n: 1 }]) - (1 + mean)) < 1e-12);
  assert(Math.abs(capital([{ floor: -all, n: 1 }]) - (1 - mean)) < 1e-12);
  assert(Math.abs(capital([{ floor: 0, n: 1_000 }]) - 1) < 1e-12);
});

test('the order of rows is nothing to it, and certainty is still a number', () => {
  const counts = [3, -2, 1, 0, -5].map((tenths, i) => ({ floor: (tenths / 10) * all, n: i + 1 }));
  assert(Math.abs(capital(counts) - capital(counts.toReversed())) < 1e-12);
  assert.equal(capital([{ floor: all, n: 1e6 }]), 1e12);
  assert.equal(capital([{ floor: -all, n: 1e6 }]) < 1e-6, true);
});

test('versions that are equally good are stopped in 5 % of rollouts at most, however often it looks', () => {
  for (const draw of [() => errors(0.2, 0.7, 0), () => errors(0.02, 0.5, 0), () => drifting(0.2)])
    assert(simulate(300, betting, draw, how).rate <= how.alpha);
  assert(simulate(100, betting, () => brier(0), how).rate <= how.alpha);
  assert(simulate(100, betting, () => errors(0.2, 0.7, 0), { ...how, batch: 10 }).rate <= how.alpha);
  assert(simulate(200, betting, () => errors(0.2, 0.7, 0), { ...how, both: true }).rate <= how.alpha);
});

test('a z-test at each look would stop many more: that is why it is not used', () => {
  assert(simulate(300, peeking, () => errors(0.2, 0.7, 0), how).rate > 0.1);
});

test('a version that errs in 30 % instead of 20 % is stopped within some hundreds of labels', () => {
  const { rate, median } = simulate(200, betting, () => errors(0.2, 0.7, 0.1), { ...how, batch: 50 });
  assert(rate > 0.99 && median! < 400, `${rate} after ${median}`);
});

test('a version that is better is not stopped, and wins an A/B', () => {
  const swapped = () => {
    const draw = errors(0.2, 0.7, 0.1);
    return (next: () => number) => {
      const { mine, champions } = draw(next);
      return { mine: champions, champions: mine };
    };
  };
  assert.equal(simulate(200, betting, swapped, how).rate, 0);
  assert(simulate(200, betting, swapped, { ...how, both: true }).rate > 0.99);
});
