/**
 * A gpu worker beside a real stack. Where nvidia-smi finds devices, they train; elsewhere two are claimed by
 * ESTEIRA_GPUS, and all but the arithmetic on them is the same.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { StageRecord } from '../../activities/record.ts';
import { TrainingDetails } from '../../contracts/experiment.ts';
import { failedWith, rootFailure } from '../../contracts/failures.ts';
import { findDevices } from '../../infra/devices.ts';
import { readJson } from '../../infra/store/json.ts';
import { livingWorkers } from '../../infra/worker-registry.ts';
import { openBelt } from '../support/belt.ts';
import type { Belt } from '../support/belt.ts';

const found = await findDevices();
const real = found.length > 0;
const count = real ? found.length : 2;
let belt: Belt;
before(async () => (belt = await openBelt(real ? {} : { ESTEIRA_GPUS: '0,1' })));
after(() => belt.close());

async function detailsOf(lifecycleId: string): Promise<TrainingDetails> {
  const record = await readJson(belt.esteira.store, `runs/${lifecycleId}/train/record.json`, StageRecord);
  return TrainingDetails.parse(record?.value.details);
}

test('the worker registers what it has', async () => {
  const workers = await livingWorkers(belt.esteira.store);
  assert.deepEqual(
    workers.map(({ queue, devices }) => [queue, devices.map(({ index }) => index)]),
    [['esteira-gpu', Array.from({ length: count }, (_, i) => i)]],
  );
  assert.equal(belt.stack.devices.length, count);
});

test('the embedded trainer takes the fastest that the device opens, and the record says which', async () => {
  const trainer = { backend: 'onnx' as const, epochs: 2, batchSize: 128, device: 'gpu' as const };
  const lifecycleId = await belt.start(await belt.project('embedded', { trainer }));
  assert.equal((await belt.esteira.outcome(lifecycleId)).status, 'deployed');
  const { hardware } = await detailsOf(lifecycleId);
  assert(['cuda', 'webgpu', 'cpu'].includes(hardware.device), hardware.device);
  assert.equal(hardware.devices.length, 1);
});

/** Fails with what it sees, so that the test sees it: its devices are its own, and it sees no other. */
const looks = `const r = JSON.parse(require('fs').readFileSync(process.argv.at(-1)));
  console.error('sees ' + process.env.CUDA_VISIBLE_DEVICES + ' of ' + r.devices.map((d) => d.index) + ' as ' + r.device);
  process.exit(9);`;

test('a command sees its leased devices, and no other', async () => {
  const command = [process.execPath, '-e', looks];
  const trainer = { backend: 'command' as const, command, device: 'gpu' as const, gpus: count };
  const lifecycleId = await belt.start(await belt.project('looks', { trainer }));
  const all = Array.from({ length: count }, (_, i) => i).join(',');
  await assert.rejects(belt.esteira.outcome(lifecycleId), (error: Error) => {
    const failure = rootFailure(error.cause);
    assert.match(
      failure!.message,
      new RegExp(`left with code 9; its last lines:\\n(.|\\n)*sees ${all} of ${all} as cuda$`),
    );
    return failedWith(error.cause, 'TrainerFailed');
  });
});

test('more devices than any worker has is refused by name, at once', async () => {
  const trainer = { backend: 'onnx' as const, device: 'gpu' as const, gpus: count + 1 };
  const lifecycleId = await belt.start(await belt.project('greedy', { trainer }));
  await assert.rejects(belt.esteira.outcome(lifecycleId), (error: Error) => {
    assert.match(
      rootFailure(error.cause)!.message,
      new RegExp(`asks for ${count + 1} devices.*no worker has more than ${count}`),
    );
    return failedWith(error.cause, 'TooFewDevices');
  });
  const log = await readFile(join(belt.home, 'logs', 'gpu.log'), 'utf8');
  assert.match(log, /training on/);
});

test('PyTorch trains on the device', { skip: real ? false : 'this machine has no GPU' }, async () => {
  const trainer = {
    backend: 'python' as const,
    ...{ use: 'pytorch' as const, systemPackages: true, device: 'gpu' as const },
    parameters: { hidden: [32], epochs: 3, batch_size: 256 },
  };
  await belt.project('torch', { trainer });
  const folder = await belt.project('torch', { trainer });
  const lifecycleId = await belt.start(folder);
  assert.equal((await belt.esteira.outcome(lifecycleId)).status, 'deployed');
  const { hardware, use, environment } = await detailsOf(lifecycleId);
  assert.equal(hardware.device, 'cuda');
  assert(environment.packages?.some((name) => name.startsWith('torch==')));
  console.log(JSON.stringify({ hardware, use }));
});
