/**
 * Replicas on several hosts: processes that share nothing but a store behind S3, each with a disk and a cache of its own.
 * What they are to do stands in the store, what each does it says there; they never speak to each other.
 */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { convergenceOf, convergenceText } from '../../client/convergence.ts';
import { startFaultyS3 } from '../support/faulty-s3.ts';
import type { FaultyS3, Operation } from '../support/faulty-s3.ts';
import { startS3 } from '../support/s3.ts';
import { inferBody, makePlace, post } from '../support/server.ts';
import type { Place } from '../support/server.ts';
import { publishSlots, publishVersion } from '../support/serving-model.ts';
import { until } from '../support/until.ts';

const s3 = await startS3();
const skip = typeof s3 === 'string' ? s3 : false;
type Server = Awaited<ReturnType<Place['start']>>;

let place: Place;
let network: FaultyS3;
const servers = new Map<string, Server>();
const answered: string[] = [];
before(async () => {
  if (typeof s3 === 'string') return;
  network = await startFaultyS3(s3.endpoint);
  place = await makePlace(s3.uri);
});
after(async () => {
  if (typeof s3 === 'string') return;
  await Promise.all([...servers.values()].map(({ child }) => child.kill(1_000)));
  await place.remove();
  await network.stop();
  await s3.stop();
});

/** @param disk of its host. @param store another way to the same one */
async function start(replica: string, disk: string, store?: string): Promise<Server> {
  const home = join(place.root, disk);
  const own = {
    ESTEIRA_HOME: home,
    ESTEIRA_CACHE: join(home, 'cache'),
    ...(store && { ESTEIRA_STORE: store }),
  };
  const server = await place.start(replica, { env: own });
  servers.set(disk, server);
  return server;
}

/** @returns the version that answered */
async function ask({ url }: Server): Promise<number> {
  const id = `asked-${answered.length}`;
  const { status, body } = await post(`${url}/v2/models/flights/infer`, inferBody(1, { id }));
  assert.equal(status, 200, JSON.stringify(body));
  answered.push(id);
  return Number(body.model_version);
}

async function change(version: number): Promise<number> {
  return publishSlots(place.store, { champion: await publishVersion(place.store, version, version) });
}

const summary = async () => convergenceText(await convergenceOf(place.store, 'flights')).summary;
const reads = (sentence: string) => until(async () => (await summary()) === sentence);
const log = (disk: string) => servers.get(disk)!.log.join('\n');

const everything: Operation[] = ['GetObject', 'PutObject', 'HeadObject', 'DeleteObject', 'ListObjectsV2'];

test('three replicas of three hosts follow the slots', { skip, timeout: 120_000 }, async () => {
  await change(1);
  await Promise.all([start('one', 'a'), start('two', 'b'), start('three', 'c', network.uri('store'))]);
  await reads('3 of 3 replicas at epoch 1');
  await change(2);
  await reads('3 of 3 replicas at epoch 2');
  for (const server of servers.values()) assert.equal(await ask(server), 2);
});

test('one that is cut off serves what it has, and catches up', { skip, timeout: 120_000 }, async () => {
  const cut = servers.get('c')!;
  network.set(...everything.map((operation) => ({ operation, kind: 'reset' as const, times: Infinity })));
  const epoch = await change(3);
  await until(async () => (await convergenceOf(place.store, 'flights')).converged === 2);
  assert.equal(await ask(cut), 2);
  assert.equal(await ask(servers.get('a')!), 3);
  network.set();
  await reads(`3 of 3 replicas at epoch ${epoch}`);
  assert.equal(await ask(cut), 3);
});

test(
  'a host dies with rows on its disk, and another takes its name',
  { skip, timeout: 120_000 },
  async () => {
    const doomed = servers.get('b')!;
    assert.equal(await ask(doomed), 3);
    process.kill(doomed.child.pid, 'SIGKILL');
    await doomed.child.exited;
    await change(4);
    await start('two', 'd');
    await reads('3 of 3 replicas at epoch 4');
    assert.equal(await ask(servers.get('d')!), 4);
    assert.doesNotMatch(log('d'), /another process/);
  },
);

test('two of one name are noticed by both, and both serve', { skip, timeout: 120_000 }, async () => {
  const back = await start('two', 'b'); // the dead host is back
  await until(() => ['b', 'd'].every((disk) => /another process serves as replica two/.test(log(disk))));
  for (const server of [back, servers.get('d')!]) assert.equal(await ask(server), 4);
  // On one disk, too: there the one must not take the other's journals.
  let starting = true;
  const busy = (async () => {
    while (starting) await ask(servers.get('d')!); // so that it has a journal open, however long the start takes
  })();
  const twin = await place.start('two', {
    env: { ESTEIRA_HOME: join(place.root, 'd'), ESTEIRA_CACHE: join(place.root, 'd', 'cache') },
  });
  starting = false;
  await busy;
  servers.set('twin', twin);
  await until(() => /another process of this machine writes journals as replica two/.test(log('twin')));
  for (const server of [twin, servers.get('d')!]) assert.equal(await ask(server), 4);
});

test('each answer of each of them is in the store, once', { skip, timeout: 120_000 }, async () => {
  await Promise.all([...servers.values()].map(({ child }) => child.kill(30_000)));
  for (const disk of ['a', 'b', 'c', 'd']) {
    const [replica] = await readdir(join(place.root, disk, 'serving'));
    const left = await readdir(join(place.root, disk, 'serving', replica!));
    assert.deepEqual(left.filter((name) => name !== 'spill'), []); // prettier-ignore
  }
  const stored = (await place.stored('predictions/')).map(({ id }) => String(id));
  assert.deepEqual(stored, answered.toSorted());
  assert.equal(await summary(), 'no replica is alive');
});
