/** A device falls off the bus while it trains: the worker ends, its successor goes on with what is left. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { checkpointKey, CheckpointRecord } from '../../activities/train/checkpoints.ts';
import { StageRecord } from '../../activities/record.ts';
import { TrainingDetails } from '../../contracts/experiment.ts';
import { readJson } from '../../infra/store/json.ts';
import { openBelt } from '../support/belt.ts';
import type { Belt } from '../support/belt.ts';
import { fakeNvidiaSmi } from '../support/nvidia-smi.ts';
import type { NvidiaSmi } from '../support/nvidia-smi.ts';
import { replayAll } from '../support/replay.ts';
import { until } from '../support/until.ts';

let smi: NvidiaSmi;
let belt: Belt;
before(async () => {
  smi = await fakeNvidiaSmi();
  await smi.lists('0, Test GPU, 8192, 50, 1024', '1, Test GPU, 8192, 90, 2048');
  belt = await openBelt();
});
after(async () => {
  await belt.close();
  await smi.close();
});

test(
  'the training goes on from its checkpoint, on the device that is left',
  { timeout: 1_200_000 },
  async () => {
    const long = { epochs: 4_000, patience: 4_000, batchSize: 16, checkpointEvery: '500ms' };
    const trainer = { backend: 'onnx' as const, ...long, device: 'gpu' as const };
    const lifecycleId = await belt.start(await belt.project('vanishing', { trainer }));
    const { store } = belt.esteira;
    await until(
      async () =>
        (await readJson(store, checkpointKey(lifecycleId), CheckpointRecord))?.value.checkpoint !== undefined,
    );
    await smi.lists('1, Test GPU, 8192, 90, 2048');
    assert.equal((await belt.esteira.outcome(lifecycleId)).status, 'deployed');
    const record = (await readJson(store, `runs/${lifecycleId}/train/record.json`, StageRecord))!.value;
    const { hardware, resumedFrom } = TrainingDetails.parse(record.details);
    assert(record.attempt > 1 && resumedFrom !== null, 'it went on, and did not begin anew');
    assert.deepEqual(
      hardware.devices.map(({ index }) => index),
      [1],
    );
    const log = await readFile(join(belt.home, 'logs', 'gpu.log'), 'utf8');
    assert.match(
      log,
      /device 0 \(Test GPU\) vanished while it trained, as nvidia-smi says; this worker ends/,
    );
  },
);

test('every history replays', async () => {
  assert((await replayAll(belt.esteira.client))['lifecycle']! >= 1);
});
