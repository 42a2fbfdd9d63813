/** Training as a user meets it on a real stack: a search, results used again, a version once more, a queue nobody serves. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { reproduce, reproductionText } from '../../client/reproduce.ts';
import { TrainingDetails } from '../../contracts/experiment.ts';
import { searchWorkflowId } from '../../contracts/search.ts';
import { StageRecord } from '../../activities/record.ts';
import { readJson } from '../../infra/store/json.ts';
import { openBelt } from '../support/belt.ts';
import type { Belt } from '../support/belt.ts';
import { replayAll } from '../support/replay.ts';
import { january } from '../support/stage.ts';
import { until } from '../support/until.ts';

let belt: Belt;
before(async () => (belt = await openBelt({ ESTEIRA_GPUS: 'none' })));
after(() => belt.close());

const resultOf = async (lifecycleId: string, stage: string) => {
  const { progress } = await belt.esteira.look(lifecycleId);
  return progress.done.find((one) => one.stage === stage)?.result ?? '';
};

test('a search makes a version of its best trial, which can be made again to the byte', async () => {
  const search = {
    method: 'tpe' as const,
    trials: 4,
    space: { learningRate: { min: 0.001, max: 0.1, scale: 'log' as const }, hidden: { values: [[], [4]] } },
  };
  const folder = await belt.project('searched', { search });
  const lifecycleId = await belt.start(folder);
  const outcome = await belt.esteira.outcome(lifecycleId);
  assert.equal(outcome.status, 'deployed');
  assert.match(
    await resultOf(lifecycleId, 'train'),
    /^4 trials, the best is trial [1-4], validation loss 0\./,
  );
  const { status } = await belt.esteira.client.workflow.getHandle(searchWorkflowId(lifecycleId)).describe();
  assert.equal(status.name, 'COMPLETED');

  const again = await reproduce(belt.esteira, 'searched/1');
  assert.deepEqual(again.metrics, {});
  assert(again.identical, reproductionText(again));
  assert.match(reproductionText(again), /model +identical/);
});

test('an equal run uses results again and says so; told to, it works; after a failure it recovers', async () => {
  const folder = await belt.project('equal', { reuse: true });
  const first = await belt.start(folder);
  await belt.esteira.outcome(first);
  assert.match(await resultOf(first, 'train'), /cache miss: first run$/);
  const second = await belt.start(folder);
  await belt.esteira.outcome(second);
  for (const stage of ['ingest', 'prepare', 'train']) {
    assert.match(await resultOf(second, stage), new RegExp(`cache hit: equal to ${first}$`));
  }
  const asked = { by: 'ana', until: january.until };
  await assert.rejects(
    belt.esteira.run(folder, { ...asked, recover: true }),
    /ended as deployed; there is nothing to recover/,
  );
  const from = await belt.esteira.run(folder, { ...asked, reuse: { off: false, from: 'train' } });
  assert(from.status === 'started');
  await belt.esteira.outcome(from.lifecycleId);
  assert.match(await resultOf(from.lifecycleId, 'prepare'), /cache hit/);
  assert.match(await resultOf(from.lifecycleId, 'train'), /cache miss: turned off$/);

  const leaves = { backend: 'command' as const, command: [process.execPath, '-e', 'process.exit(3)'] };
  const broken = await belt.project('equal', { reuse: true, trainer: leaves });
  await assert.rejects(belt.esteira.outcome(await belt.start(broken)));
  const mended = await belt.project('equal', { reuse: true });
  const recovered = await belt.esteira.run(mended, { by: 'ana', recover: true });
  assert(recovered.status === 'started');
  await belt.esteira.outcome(recovered.lifecycleId);
  assert.match(await resultOf(recovered.lifecycleId, 'ingest'), /cache hit/);
});

test('a queue that nobody serves is told, with its time; the cpu takes over where the project allows it', async () => {
  const trainer = { backend: 'onnx' as const, epochs: 1, batchSize: 128, device: 'gpu' as const };
  const waits = await belt.start(await belt.project('waits', { trainer }));
  await until(async () => (await belt.esteira.look(waits)).progress.waitsFor !== null);
  const { progress } = await belt.esteira.look(waits);
  assert.match(progress.waitsFor!, /^a gpu worker, for nobody serves the gpu queue \(since \d{4}-\d\d-\d\dT/);
  await belt.esteira.cancel(waits);
  await assert.rejects(belt.esteira.outcome(waits), /cancel/i);

  const falls = { ...trainer, fallback: 'cpu' as const, fallbackAfter: '1s' };
  const fell = await belt.start(await belt.project('falls', { trainer: falls }));
  assert.equal((await belt.esteira.outcome(fell)).status, 'deployed');
  assert.match(await resultOf(fell, 'train'), /on a cpu worker, for no gpu worker came/);
  const record = await readJson(belt.esteira.store, `runs/${fell}/train/record.json`, StageRecord);
  assert.equal(TrainingDetails.parse(record?.value.details).hardware.device, 'cpu');
});

test('replay: this code retells every run of this file', async () => {
  const types = await replayAll(belt.esteira.client);
  assert(types['search']! >= 1 && types['reproduction']! >= 1, JSON.stringify(types));
});
