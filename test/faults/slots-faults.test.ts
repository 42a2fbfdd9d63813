/**
 * A change of slots when the server dies, fails or hangs at each place that it passes on the way: somebody answers all the
 * time that somebody is there, each answer is of one version, the successor converges, and what was answered is stored once.
 */
import assert from 'node:assert/strict';
import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ReplicaStatus } from '../../contracts/serving.ts';
import { unlessCode } from '../../infra/errno.ts';
import type { Failpoint } from '../../infra/faults.ts';
import { readJson } from '../../infra/store/json.ts';
import { inferBody, makePlace, post } from '../support/server.ts';
import type { Place } from '../support/server.ts';
import { publishSlots, publishVersion } from '../support/serving-model.ts';
import { until } from '../support/until.ts';

const loading: Failpoint[] = ['serving:slots', 'serving:fetched', 'serving:loaded', 'serving:proved'];
const places: Failpoint[] = [...loading, 'serving:swapped', 'serving:reporting', 'serving:reported'];

let place: Place;
let faults: string;
let server: Awaited<ReturnType<Place['start']>>;
const answered: string[] = [];
before(async () => {
  place = await makePlace();
  faults = join(place.root, 'faults');
  await writeFile(faults, '');
  await change();
  await start();
});
after(async () => {
  await server.child.kill();
  await place.remove();
});

async function start(): Promise<void> {
  server = await place.start('one', { env: { ESTEIRA_FAULT: `file:${faults}` } });
}

let version = 0;
/** Each has a version that is not loaded yet. @returns its epoch, which is its version, too */
async function change(): Promise<number> {
  return publishSlots(place.store, { champion: await publishVersion(place.store, ++version, version) });
}

/** @returns the version that answered, and whose answer it is; undefined when nobody did */
async function ask(): Promise<number | undefined> {
  const id = `asked-${answered.length}`;
  const reply = await post(`${server.url}/v2/models/flights/infer`, inferBody(1, { id })).catch(
    () => undefined,
  );
  if (!reply) return undefined;
  assert.equal(reply.status, 200, JSON.stringify(reply.body));
  answered.push(id);
  const by = Number(reply.body.model_version);
  const expected = 1 / (1 + Math.exp(-(0.5 * by + 1)));
  assert(Math.abs(reply.body.outputs[0].data[0] - expected) < 1e-5, 'an answer of half a state');
  return by;
}

const note = async () => (await readJson(place.store, 'replicas/one.json', ReplicaStatus))?.value;
const converged = (epoch: number) =>
  until(async () => {
    const state = (await note())?.models['flights'];
    return state?.epoch === epoch && state.failed.length === 0 && (await ask()) === epoch;
  });
let armed = 0;
/** @returns resolves when it has struck */
async function arm(fault: string): Promise<() => Promise<void>> {
  const line = `${++armed} ${fault}@1\n`;
  await appendFile(faults, `${fault}@1\n`);
  const struck = () => readFile(`${faults}.struck`, 'utf8').catch(unlessCode('ENOENT', ''));
  return () => until(async () => (await struck()).includes(line));
}

for (const point of places) {
  test(`an error at ${point} fails no request, and is made good`, { timeout: 100_000 }, async () => {
    const struck = await arm(`${point}:throw`);
    const epoch = await change();
    await struck();
    assert.notEqual(await ask(), undefined);
    await converged(epoch);
  });
}

for (const point of places) {
  test(`a server killed at ${point} has a successor that converges`, { timeout: 100_000 }, async () => {
    await arm(`${point}:kill`);
    const epoch = await change();
    while ((await ask()) !== undefined); // until nobody is there
    assert.equal((await server.child.exited).signal, 'SIGKILL');
    await start();
    await converged(epoch);
  });
}

for (const point of places) {
  test(`a server that hangs at ${point} goes on answering`, { timeout: 100_000 }, async () => {
    const epoch = version;
    const struck = await arm(`${point}:hang`);
    const next = await change();
    await struck();
    const holds = loading.includes(point) ? epoch : next;
    await until(async () => (await ask()) === holds);
    for (let i = 0; i < 20; i++) assert.equal(await ask(), holds);
    process.kill(server.child.pid, 'SIGKILL');
    await server.child.exited;
    await start();
    await converged(next);
  });
}

test(
  'a server that is told to stop while a load hangs ships its log all the same',
  { timeout: 100_000 },
  async () => {
    const struck = await arm('serving:fetched:hang');
    const epoch = await change();
    await struck();
    await ask();
    process.kill(server.child.pid, 'SIGTERM');
    await until(async () => (await note()) === undefined); // signed off, which is the last that it does
    assert.deepEqual(await journals(), []);
    await server.child.kill(1);
    await start();
    await converged(epoch);
  },
);

for (const action of ['kill', 'throw', 'hang'] as const) {
  test(
    `stopped, with a ${action} before it signs off, it has a successor`,
    { timeout: 100_000 },
    async () => {
      const struck = await arm(`serving:flushed:${action}`);
      await ask();
      process.kill(server.child.pid, 'SIGTERM');
      await struck();
      if (action === 'hang') process.kill(server.child.pid, 'SIGKILL');
      await server.child.exited;
      assert.deepEqual(await journals(), []);
      await start();
      await converged(version);
    },
  );
}

test('what was answered is in the store, once', { timeout: 100_000 }, async () => {
  await server.child.kill(30_000);
  assert.deepEqual(await journals(), []);
  const stored = (await place.stored('predictions/')).map(({ id }) => String(id));
  assert.equal(new Set(stored).size, stored.length, 'a row is stored twice');
  const kept = new Set(stored);
  assert.deepEqual(
    answered.filter((id) => !kept.has(id)),
    [],
  );
});

const journals = async () =>
  (await readdir(join(place.root, 'serving', 'one'))).filter((name) => name !== 'spill');
