/** Looking ahead: a trend that is there is found, noise is none, and a limit behind us is no forecast. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forecastOf } from '../../../activities/monitor/forecast.ts';
import { random } from '../../../activities/train/random.ts';

const day = 86_400_000;
const limit = { metric: 'log_loss', limit: 0.6, above: true };

function points(count: number, value: (i: number) => number) {
  return Array.from({ length: count }, (_, i) => ({ at: i * day, value: value(i) }));
}

test('a line reaches its limit when it does', () => {
  const found = forecastOf(
    points(11, (i) => 0.4 + 0.01 * i),
    limit,
    30 * day,
  )!;
  assert.ok(Math.abs(found.days - 10) < 1e-9, `${found.days} days`);
  assert.ok(Math.abs(found.perDay - 0.01) < 1e-12);
  assert.equal(found.windows, 11);
  const falls = forecastOf(
    points(11, (i) => 0.9 - 0.01 * i),
    { metric: 'roc_auc', limit: 0.7, above: false },
    30 * day,
  )!;
  assert.ok(Math.abs(falls.days - 10) < 1e-9);
});

test('too far ahead, the wrong way, already there, or too few windows: nothing is said', () => {
  const rising = points(11, (i) => 0.4 + 0.01 * i);
  assert.equal(forecastOf(rising, limit, 9 * day), undefined);
  assert.equal(forecastOf(rising, { ...limit, above: false, limit: 0.3 }, 99 * day), undefined);
  assert.equal(forecastOf(rising, { ...limit, limit: 0.45 }, 99 * day), undefined);
  assert.equal(forecastOf(rising.slice(0, 5), limit, 99 * day), undefined);
});

test('one strange window turns nothing, and the interval holds the truth', () => {
  const next = random(3);
  const noisy = points(20, (i) => 0.4 + 0.005 * i + 0.01 * (next() - 0.5));
  noisy[7]!.value = 3;
  const found = forecastOf(noisy, limit, 60 * day)!;
  assert.ok(found.soonest <= 21 && found.latest >= 20, JSON.stringify(found));
});

test('noise without a trend is a forecast in at most one of ten', () => {
  let said = 0;
  for (let seed = 0; seed < 400; seed++) {
    const next = random(seed);
    const noise = points(14, () => 0.5 + 0.1 * (next() - 0.5));
    if (forecastOf(noise, limit, 1_000 * day)) said++;
  }
  assert.ok(said / 400 < 0.1, `${said} of 400`);
});
