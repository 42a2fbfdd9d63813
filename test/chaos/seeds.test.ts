/** A short chaos run for every test run: half a minute of one seed. `npm run chaos` does it for as long as one likes. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { table } from './checker/table.ts';
import { digestOf, planOf } from './plan.ts';
import { chaos } from './run.ts';

const minutes = 0.5;

test('the same seed plans the same; another plans otherwise', () => {
  assert.equal(digestOf(planOf(7, 3)), digestOf(planOf(7, 3)));
  assert.notEqual(digestOf(planOf(7, 3)), digestOf(planOf(8, 3)));
  assert.deepEqual(
    planOf(7, 3).map(({ at }) => at),
    planOf(7, 3)
      .map(({ at }) => at)
      .toSorted((a, b) => a - b),
  );
});

test('whatever befalls it, nothing is lost', { timeout: 1_700_000 }, async () => {
  const { evidence, breaches, home } = await chaos(1, minutes, 'liveness');
  assert.deepEqual(breaches, [], `${table(evidence, breaches)}\nleft in ${home}`);
  assert(evidence.disturbances.length > 10 && evidence.acknowledged.length > 10);
  await rm(home, { recursive: true, force: true });
});
