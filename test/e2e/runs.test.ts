/** People change their minds and ask twice: a run is cancelled; two are asked for at once. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isCancellation } from '@temporalio/workflow';
import { WorkflowFailedError } from '@temporalio/client';
import { openBelt } from '../support/belt.ts';
import type { Belt } from '../support/belt.ts';
import { runningWith } from '../support/processes.ts';
import { replayAll } from '../support/replay.ts';
import { january } from '../support/stage.ts';
import { until } from '../support/until.ts';

const endless = { backend: 'onnx', epochs: 10_000, patience: 10_000, batchSize: 1 } as const;

let belt: Belt;
before(async () => (belt = await openBelt()));
after(() => belt.close());

test(
  'a run cancelled while it trains leaves no process and no file, and the model is free again',
  { timeout: 480_000 },
  async () => {
    const run = await belt.start(await belt.project('cancelled', { trainer: endless }));
    const trainers = () => runningWith(`${belt.home}/work/train-`);
    await until(async () => (await belt.esteira.look(run)).working?.['step'] !== undefined);
    assert.equal((await trainers()).length, 1);

    const asked = Date.now();
    await belt.esteira.cancel(run);
    await until(async () => (await trainers()).length === 0);
    const seconds = (Date.now() - asked) / 1_000;
    assert(seconds < 7, `the trainer went on for ${seconds} s`);
    await assert.rejects(
      belt.esteira.outcome(run),
      (error) => error instanceof WorkflowFailedError && isCancellation(error.cause),
    );
    assert.deepEqual(await belt.leftovers(), []);
    assert.deepEqual(await belt.slots('cancelled'), []);

    const next = await belt.start(await belt.project('cancelled'));
    assert.equal(next, 'lifecycle/cancelled/2');
    assert.equal((await belt.esteira.outcome(next)).status, 'deployed');
  },
);

test(
  'of two runs asked for at once, one starts; the other is merged and runs after it',
  { timeout: 480_000 },
  async () => {
    const folder = await belt.project('twice');
    const ask = () => belt.esteira.run(folder, { by: 'ana', until: january.until });
    const answers = (await Promise.all([ask(), ask()])).toSorted((a, b) => b.status.localeCompare(a.status));
    assert.deepEqual(answers, [
      { status: 'started', lifecycleId: 'lifecycle/twice/1' },
      { status: 'merged', behind: 'lifecycle/twice/1' },
    ]);
    assert.equal((await belt.esteira.outcome('lifecycle/twice/1')).status, 'deployed');
    const { client } = belt.esteira;
    const describe = (workflowId: string) => client.workflow.getHandle(workflowId).describe();
    await until(async () => (await belt.esteira.describe('twice'))!.lifecycles === 2);
    assert.equal((await belt.esteira.outcome('lifecycle/twice/2')).status, 'deployed');
    // A lifecycle tells its model that it is done, and then closes: its last work is its rollout.
    const [first, second] = await Promise.all([describe('rollout/twice/1'), describe('lifecycle/twice/2')]);
    assert(first.closeTime! <= second.startTime, 'one after the other');
    assert.deepEqual(
      (await belt.versions('twice')).map(({ version }) => version),
      [1, 2],
    );
    assert.equal((await belt.esteira.describe('twice'))?.pending, null);
  },
);

test('every history replays', async () => {
  assert.equal((await replayAll(belt.esteira.client))['lifecycle'], 4);
});
