/** Quarantine and release: nothing that was filed vanishes, and the last word counts. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  barredBecause,
  barsOf,
  recordRollout,
  writeQuarantine,
  writeRelease,
} from '../../../activities/deploy/bars.ts';
import { failedWith } from '../../../contracts/failures.ts';
import type { RolloutRecord } from '../../../contracts/rollout.ts';
import { RolloutRecord as Schema } from '../../../contracts/rollout.ts';
import { readJson } from '../../../infra/store/json.ts';
import { openBench } from '../../support/stage.ts';
import type { Bench } from '../../support/stage.ts';

let bench: Bench;
before(async () => (bench = await openBench()));
after(() => bench.close());

const bar = (model: string, reason: string) =>
  writeQuarantine(bench.store, { model, version: 1, by: 'rollout', reason });
const free = (model: string, reason: string, by = 'ana') =>
  writeRelease(bench.store, { model, version: 1, by, reason });
const words = async (model: string) =>
  (await barsOf(bench.store, model, 1)).map(({ kind, reason }) => `${kind}: ${reason}`);

test('the first reason stands until it is released, and all are kept', async () => {
  assert.equal(await barredBecause(bench.store, 'a', 1), null);
  await bar('a', 'slow');
  await bar('a', 'slower');
  assert.equal(await barredBecause(bench.store, 'a', 1), 'slow');
  assert.deepEqual(await free('a', 'a bad replica'), { barred: null });
  assert.equal(await barredBecause(bench.store, 'a', 1), null);
  await bar('a', 'worse');
  await bar('a', 'worse');
  assert.deepEqual(await words('a'), ['quarantined: slow', 'released: a bad replica', 'quarantined: worse']);
  assert.equal(await barredBecause(bench.store, 'a', 1), 'worse');
});

test('a release that was filed before lifts nothing again: its entity was reset', async () => {
  await bar('b', 'slow');
  await free('b', 'a bad replica');
  await bar('b', 'worse');
  assert.deepEqual(await free('b', 'a bad replica'), { barred: 'worse' });
  assert.deepEqual(
    await free('b', 'a bad replica', 'bob'),
    { barred: null },
    'by somebody else it is another',
  );
});

test('what is not barred is not released, and a number is no part of another', async () => {
  assert.deepEqual(await free('c', 'just so'), { barred: null });
  assert.deepEqual(await words('c'), []);
  await writeQuarantine(bench.store, { model: 'c', version: 11, by: 'rollout', reason: 'slow' });
  assert.deepEqual(await words('c'), []);
});

test('two that bar a released version at once leave one record', async () => {
  await bar('d', 'slow');
  await free('d', 'a bad replica');
  await Promise.all([bar('d', 'one'), bar('d', 'two')]);
  assert.equal((await words('d')).length, 3);
});

test('the first word of a rollout stands, and names that lead elsewhere are refused', async () => {
  const record: RolloutRecord = {
    ...{
      model: 'm',
      version: 2,
      run: 'run-1',
      lifecycleId: 'lifecycle/m/2',
      strategy: 'canary',
      champion: 1,
    },
    outcome: { status: 'taken-back', reason: 'a tie', steps: [] },
    at: '2001-02-01T00:00:00.000Z',
  };
  await recordRollout(bench.store, record);
  await recordRollout(bench.store, { ...record, outcome: { status: 'promoted', epoch: 9, steps: [] } });
  const filed = await readJson(bench.store, 'models/m/rollouts/2/run-1.json', Schema);
  assert.deepEqual(filed?.value, record);
  for (const change of [{ run: '../../x' }, { model: '../m' }])
    await assert.rejects(recordRollout(bench.store, { ...record, ...change }), (error) =>
      failedWith(error, 'InvalidInput'),
    );
});
