/** A model whose batches would hold up everybody: it gets a thread, answers as it would without, and outlives the thread. */
import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ReplicaStatus } from '../../contracts/serving.ts';
import { openChecked } from '../../infra/onnx/open.ts';
import type { Feed } from '../../infra/onnx/session.ts';
import { readJson } from '../../infra/store/json.ts';
import { LastingThread } from '../../serving/lasting-thread.ts';
import { Refusal } from '../../infra/refusal.ts';
import { openThreaded } from '../../serving/threaded.ts';
import type { Threaded } from '../../serving/threaded.ts';
import { inferBody, makePlace, post } from '../support/server.ts';
import type { Place } from '../support/server.ts';
import { modelBytes, publishSlots, publishVersion, signature } from '../support/serving-model.ts';
import { until } from '../support/until.ts';

const heavy = { layers: 40 };
let place: Place;
let folder: string;
before(async () => {
  place = await makePlace();
  folder = await mkdtemp(join(tmpdir(), 'esteira-heavy-'));
});
after(async () => {
  await place.remove();
  await rm(folder, { recursive: true, force: true });
});

function feeds(rows: number): Feed[] {
  const each = <T>(of: (i: number) => T): T[] => Array.from({ length: rows }, (_, i) => of(i));
  const dims = [rows];
  return [
    { values: Float64Array.from(each((i) => i / 7)), dims },
    { values: each((i) => (i % 2 ? 'AA' : 'BB')), dims },
    { values: Uint8Array.from(each((i) => i % 3)), dims },
    { values: BigInt64Array.from(each(BigInt)), dims },
  ];
}

test('on a thread it answers bit for bit what it answers on the main one, alone and in a batch', async () => {
  const path = join(folder, 'heavy.onnx');
  await writeFile(path, modelBytes(1, heavy));
  const { model } = await openChecked(path, signature);
  const threaded = await openThreaded(path, signature);
  for (const rows of [1, 3, 64, 300])
    assert.deepEqual(await threaded.run(feeds(rows)), await model.infer(feeds(rows)));
  await assert.rejects(threaded.run(feeds(2).slice(0, 3)), /./); // an error of the model's
  assert.equal((await threaded.run(feeds(2)))[0]!.dims[0], 2); // and the next is none the worse
  await threaded.close();
  await assert.rejects(threaded.run(feeds(1)), /ended/);
  await model.close();
});

test('a thread that does not answer is given up, and so is who waits for it', async () => {
  const path = join(folder, 'hanging.onnx');
  await writeFile(path, modelBytes(1));
  process.env['ESTEIRA_FAULT'] = 'serving:thread:hang';
  const threaded = await openThreaded(path, signature, 200);
  delete process.env['ESTEIRA_FAULT'];
  await assert.rejects(threaded.run(feeds(1)), /has not answered for 200 ms/);
  assert.match(String(await threaded.ended), /has not answered/);
  await assert.rejects(threaded.run(feeds(1)), /has not answered/);
  await threaded.close();
});

/** A thread that answers until it is told to end. */
function stub(): Threaded & { end(): void } {
  let end = () => {};
  const ended = new Promise<Error>((resolve) => (end = () => resolve(new Error('out of memory'))));
  return { run: async (given) => [...given], close: async () => end(), ended, end };
}

test('a thread that ends is opened again after a pause; until then callers are told to come back', async () => {
  const opened: ReturnType<typeof stub>[] = [];
  const told: unknown[] = [];
  let failures = 1;
  const first = stub();
  const lasting = new LastingThread(
    first,
    async () => {
      if (failures-- > 0) throw new Error('no memory for it yet');
      opened.push(stub());
      return opened.at(-1)!;
    },
    (error) => told.push(error),
  );
  assert.equal(lasting.fault(), undefined);
  first.end();
  await until(() => lasting.fault() !== undefined);
  await assert.rejects(lasting.run([]), (error) => error instanceof Refusal && error.status === 503);
  await until(() => opened.length === 1 && lasting.fault() === undefined);
  assert.deepEqual(await lasting.run([]), []);
  assert.deepEqual(told.map(String), ['Error: out of memory', 'Error: no memory for it yet']);
  await lasting.close();
  assert.equal(opened.length, 1);
});

test('its server stays awake while it computes, and outlives its thread', { timeout: 140_000 }, async () => {
  const champion = await publishVersion(place.store, 1, 1, false, heavy);
  await publishSlots(place.store, { champion });
  const faults = join(folder, 'faults');
  await writeFile(faults, '');
  const { child, url, log } = await place.start('one', { env: { ESTEIRA_FAULT: `file:${faults}` } });
  const infer = (rows: number, id: string) => post(`${url}/v2/models/flights/infer`, inferBody(rows, { id }));

  // Some seconds of arithmetic in one request: on the main thread nobody else would be heard before its end.
  let done = false;
  const long = infer(10_000, 'long').finally(() => (done = true));
  await until(
    async () => done || /rows_waiting\{[^}]*\} 10000/.test(await (await fetch(`${url}/metrics`)).text()),
  );
  for (let i = 0; i < 3; i++) assert((await fetch(`${url}/v2/health/ready`)).ok);
  assert.equal(done, false);
  assert.equal((await long).status, 200);

  await appendFile(faults, 'serving:thread:throw@1\n');
  const failed = await infer(1, 'lost');
  assert.deepEqual(
    [failed.status, failed.body],
    [500, { error: 'the server could not answer; its log says why' }],
  );
  const note = async () =>
    (await readJson(place.store, 'replicas/one.json', ReplicaStatus))?.value.models['flights'];
  await until(async () => (await infer(1, 'found')).status === 200);
  assert((await fetch(`${url}/v2/health/ready`)).ok);
  assert.match(log.join('\n'), /failpoint serving:thread/);
  await until(async () => (await note())?.failed.length === 0);
  await child.kill();
  const stored = new Set((await place.stored('predictions/')).map(({ id }) => String(id)));
  assert(stored.has('found') && stored.has('long/9999') && !stored.has('lost'));
});
