/** Devices, as a program called nvidia-smi tells of them: found, leased, looked at, and gone. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { leased } from '../../activities/train/leased.ts';
import type { DevicePool } from '../../activities/train/leased.ts';
import { failedWith } from '../../contracts/failures.ts';
import { Trainer } from '../../contracts/training.ts';
import { deviceUse, findDevices, leaseDevices } from '../../infra/devices.ts';
import { fakeNvidiaSmi } from '../support/nvidia-smi.ts';
import type { NvidiaSmi } from '../support/nvidia-smi.ts';

let smi: NvidiaSmi;
before(async () => (smi = await fakeNvidiaSmi()));
beforeEach(() => smi.lists('0, Test GPU, 8192, 50, 1024', '1, Test GPU, 8192, 90, 2048'));
after(() => smi.close());

const mebibyte = 1024 ** 2;
const gpu = (index: number) => ({ index, name: 'Test GPU', memoryBytes: 8_192 * mebibyte });

test('devices are what nvidia-smi lists, or those of them that are chosen', async () => {
  assert.deepEqual(await findDevices(), [gpu(0), gpu(1)]);
  assert.deepEqual(await findDevices([1]), [gpu(1)]);
  await assert.rejects(findDevices([7]), /ESTEIRA_GPUS names device 7, .* it has 0, 1\./);
  assert.deepEqual(await deviceUse([gpu(1)]), [
    { index: 1, utilization: 0.9, memoryUsedBytes: 2_048 * mebibyte },
  ]);
});

test('a driver that does not answer has no devices, and a later look says why', async () => {
  await smi.says('echo "NVIDIA-SMI has failed because it could not reach the driver."; exit 9');
  assert.deepEqual(await findDevices(), []);
  await assert.rejects(deviceUse([gpu(0)]), /nvidia-smi fails: NVIDIA-SMI has failed because/);
});

test('who needs several devices takes them at once, and those that came later wait', async () => {
  const pool = leaseDevices([gpu(0), gpu(1)]);
  const { signal } = new AbortController();
  const first = await pool.lease(1, signal);
  const order: string[] = [];
  const both = pool.lease(2, signal).then((lease) => {
    order.push('both');
    return lease;
  });
  const late = pool.lease(1, signal).then(() => order.push('late'));
  first.release();
  first.release(); // twice is once
  (await both).release();
  await late;
  assert.deepEqual(order, ['both', 'late']);
});

test('who gives up waiting lets the next one pass', async () => {
  const pool = leaseDevices([gpu(0), gpu(1)]);
  const giveUp = new AbortController();
  await pool.lease(1, giveUp.signal);
  const both = pool.lease(2, giveUp.signal);
  const late = pool.lease(1, new AbortController().signal);
  giveUp.abort(new Error('enough'));
  await assert.rejects(both, /enough/);
  assert.equal((await late).devices.length, 1);
});

/** What a training on one device hears and says while it runs. */
async function leasing<T>(run: (signal: AbortSignal) => Promise<T>) {
  const heard = { doing: [] as string[], use: [] as [number, number][], lost: [] as string[] };
  const pool: DevicePool = {
    ...leaseDevices([gpu(0), gpu(1)]),
    use: deviceUse,
    most: () => Promise.resolve(2),
    lost: (why) => heard.lost.push(why),
  };
  const listener = {
    say: (doing: string) => void heard.doing.push(doing),
    use: (...use: [number, number]) => void heard.use.push(use),
  };
  const trainer = Trainer.parse({ backend: 'onnx', device: 'gpu' });
  const { signal } = new AbortController();
  const outcome = await leased({ devices: pool }, trainer, listener, signal, async (_, use, vanished) => ({
    made: await run(vanished),
    use: use(),
  })).catch((error: Error) => error);
  return { heard, outcome };
}

/** Until the device has been looked at, or has vanished. */
async function aborted(signal: AbortSignal): Promise<never> {
  while (!signal.aborted) await setTimeout(50);
  throw signal.reason as Error;
}

test('a trainer that fails as its device vanishes is not to blame: another worker tries', async () => {
  const { heard, outcome } = await leasing(async () => {
    await smi.lists('1, Test GPU, 8192, 90, 2048');
    throw new Error('CUDA error: unspecified launch failure');
  });
  assert(outcome instanceof Error);
  assert.equal(
    outcome.message,
    'device 0 (Test GPU) vanished while it trained, as nvidia-smi says: CUDA error: unspecified launch failure',
  );
  assert(!failedWith(outcome, 'TrainerFailed'), 'it can be tried again');
  assert.deepEqual(heard.lost, ['device 0 (Test GPU) vanished while it trained, as nvidia-smi says']);
});

test('a trainer that hangs on a device that fell off the bus is ended', { timeout: 240_000 }, async () => {
  const { heard, outcome } = await leasing(async (signal) => {
    await smi.says('echo "Unable to determine the device handle for GPU0000:01:00.0: GPU is lost."; exit 15');
    return aborted(signal);
  });
  assert.match((outcome as Error).message, /^device 0 \(Test GPU\) vanished while it trained/);
  assert.equal(heard.lost.length, 1);
});

test('a failure on a device that is there stays what it is', async () => {
  const { heard, outcome } = await leasing(() => Promise.reject(new Error('bad script')));
  assert.equal((outcome as Error).message, 'bad script');
  assert.deepEqual(heard.lost, []);
  assert.deepEqual(heard.use[0], [0.5, 1_024 * mebibyte]);
});
