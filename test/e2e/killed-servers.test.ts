/** The Temporal server and the serving process are killed under work; what was promised is kept. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { WorkflowNotFoundError } from '@temporalio/client';
import { checkpointKey, CheckpointRecord } from '../../activities/train/checkpoints.ts';
import { readJson } from '../../infra/store/json.ts';
import { openBelt } from '../support/belt.ts';
import type { Belt } from '../support/belt.ts';
import { murder } from '../support/processes.ts';
import { replayAll } from '../support/replay.ts';
import { post } from '../support/server.ts';
import { until } from '../support/until.ts';

const long = {
  backend: 'onnx',
  epochs: 400,
  patience: 400,
  batchSize: 16,
  checkpointEvery: '500ms',
} as const;
const people = { policy: 'people' as const, need: { risk: 1 }, people: { risk: ['bo'] } };

let belt: Belt;
before(async () => (belt = await openBelt()));
after(() => belt.close());

/** Kills the server, and waits until its successor answers at the same address about this run. */
async function killTemporal(lifecycleId: string): Promise<void> {
  const before = belt.stack.pids().temporal!;
  await murder(before);
  await until(() => belt.stack.pids().temporal !== before);
  await until(async () => {
    try {
      return (await belt.esteira.look(lifecycleId)).progress.lifecycleId === lifecycleId;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) throw error; // the state would be lost
      return false; // not up yet
    }
  });
}

test(
  'Temporal is killed while a model trains: the run goes on and is deployed',
  { timeout: 720_000 },
  async () => {
    const run = await belt.start(await belt.project('training', { trainer: long }));
    await until(async () => {
      const found = await readJson(belt.esteira.store, checkpointKey(run), CheckpointRecord);
      return found?.value.checkpoint !== undefined;
    });
    await belt.reached(run, 'train');
    await killTemporal(run);
    assert.equal((await belt.esteira.outcome(run)).status, 'deployed');
    assert.equal((await belt.versions('training')).length, 1);
    assert.deepEqual(
      (await belt.slots('training')).map(({ epoch, champion }) => [epoch, champion?.version]),
      [
        [1, undefined],
        [2, 1],
      ],
    );
  },
);

test(
  'Temporal is killed while a run waits for people: the request is still there to be answered',
  { timeout: 720_000 },
  async () => {
    const run = await belt.start(await belt.project('asking', { approval: people }));
    await until(async () => (await belt.esteira.look(run)).progress.waitsFor !== null);
    await killTemporal(run);
    const { status, request } = await belt.esteira.approval('asking/1');
    assert.deepEqual([status, request.requester], ['pending', 'ana']);
    assert.deepEqual(await belt.slots('asking'), [], 'nothing serves unapproved');
    const answer = await belt.esteira.decide('asking/1', { approved: true, by: 'bo', reason: 'good' });
    assert.equal(answer.accepted, true);
    assert.equal((await belt.esteira.outcome(run)).status, 'deployed');
  },
);

test(
  'serving is killed under load: each prediction that was answered is stored exactly once',
  { timeout: 720_000 },
  async () => {
    const url = belt.stack.servingUrl;
    const infer = `${url}/v2/models/asking/infer`;
    const inputs = [
      { name: 'x', datatype: 'FP64', shape: [1], data: [0.5] },
      { name: 'city', datatype: 'BYTES', shape: [1], data: ['ATL'] },
    ];
    const answered: string[] = [];
    let going = true;
    let lost = 0;
    // Who got no answer cannot know whether it counted, and asks again under a new id.
    const clients = Array.from({ length: 6 }, async (_, client) => {
      for (let i = 0; going; i++) {
        try {
          const id = `${client}-${i}`;
          const { status, body } = await post(infer, { id, inputs });
          if (status === 200) answered.push(id);
          else assert.equal(status, 503, JSON.stringify(body)); // it is back, and still loads its models
        } catch (error) {
          if (!(error instanceof TypeError)) throw error; // fetch's own: the connection broke or was refused
          lost++;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      }
    });
    for (let kill = 1; kill <= 2; kill++) {
      const enough = answered.length + 300;
      await until(() => answered.length > enough);
      await murder(belt.stack.pids().serving);
    }
    const enough = answered.length + 300;
    await until(() => answered.length > enough);
    going = false;
    await Promise.all(clients);
    assert(lost > 0, 'the kills were felt');

    await until(async () =>
      /^esteira_serving_journals_waiting 0$/m.test(await (await fetch(`${url}/metrics`)).text()),
    );
    const stored = (await belt.stored('predictions/asking/')).map(({ id }) => String(id));
    assert.equal(new Set(stored).size, stored.length, 'none twice');
    const kept = new Set(stored);
    assert.deepEqual(
      answered.filter((id) => !kept.has(id)),
      [],
    );
  },
);

test('every history replays', async () => {
  assert.equal((await replayAll(belt.esteira.client))['lifecycle'], 2);
});
