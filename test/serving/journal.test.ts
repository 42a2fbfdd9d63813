/** The prediction log: every answered row reaches the store once, whatever happens to the process. */
import assert from 'node:assert/strict';
import { appendFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, beforeEach, afterEach, test } from 'node:test';
import { publishSlots, publishVersion, signature } from '../support/serving-model.ts';
import { inferBody, makePlace, post } from '../support/server.ts';
import type { Place } from '../support/server.ts';
import { until } from '../support/until.ts';

let place: Place;
const running: Awaited<ReturnType<Place['start']>>[] = [];
beforeEach(async () => {
  place = await makePlace();
  await publishSlots(place.store, { champion: await publishVersion(place.store, 1, 1) });
});
afterEach(async () => {
  for (const { child } of running.splice(0)) await child.kill();
  await place.remove();
});
after(() => assert.deepEqual(running, []));

const start = async () => {
  const server = await place.start();
  running.push(server);
  return { ...server, infer: `${server.url}/v2/models/flights/infer` };
};

test('rows are stored typed, under the hour they happened, when the server stops', async () => {
  const { child, infer, log } = await start();
  const time = '2001-01-31T22:59:59.000Z';
  const body = inferBody(2, { id: 'a', parameters: { time } });
  Object.assign(body.inputs[0]!, { data: [0.5, 1] });
  assert.equal((await post(infer, body)).status, 200);
  assert.equal((await post(infer, inferBody(1, { id: 'b' }))).status, 200);
  await child.kill();
  assert.deepEqual(await child.exited, { code: 0, signal: null });

  const keys: string[] = [];
  for await (const { key } of place.store.list('predictions/')) keys.push(key);
  assert.equal(keys.length, 2, log.join('\n'));
  assert.match(keys[0]!, /^predictions\/flights\/2001-01-31\/22\/one-[0-9-]+-v1\.parquet$/);
  const [first, second, third] = await place.stored('predictions/');
  const { loggedAt, digest, ms, queueMs, computeMs, out_probability, ...rest } = first!;
  assert.deepEqual(rest, {
    id: 'a/0',
    time,
    model: 'flights',
    version: 1,
    route: 'champion',
    epoch: 1,
    in_delay: 0.5,
    in_carrier: 'AA',
    in_cargo: false,
    in_at: '2001-01-01T00:00:00.000Z',
  });
  assert(typeof loggedAt === 'string' && String(digest).length === 64);
  for (const spent of [ms, queueMs, computeMs]) assert(typeof spent === 'number' && spent >= 0);
  assert(Math.abs(Number(out_probability) - 1 / (1 + Math.exp(-1.5))) < 1e-6);
  assert.equal(second?.['id'], 'a/1');
  assert.equal(third?.['id'], 'b');
  assert.equal(await place.store.read('replicas/one.json'), undefined);
});

test(
  'a server killed under load loses no row that it answered, and stores none twice',
  { timeout: 480_000 },
  async () => {
    const answered: string[] = [];
    for (let round = 0; round < 3; round++) {
      const { child, infer } = await start();
      const load = Array.from({ length: 16 }, async (_, worker) => {
        for (let i = 0; ; i++) {
          const id = `${round}-${worker}-${i}`;
          const answer = await post(infer, inferBody(1, { id })).catch(() => undefined);
          if (answer === undefined) return;
          assert.equal(answer.status, 200, JSON.stringify(answer.body));
          answered.push(id);
        }
      });
      await until(async () => answered.length > (round + 1) * 400);
      process.kill(-child.pid, 'SIGKILL');
      await Promise.all(load);
      await child.exited;
    }
    const { child } = await start();
    await child.kill();
    const stored = (await place.stored('predictions/')).map((row) => String(row['id']));
    assert.equal(new Set(stored).size, stored.length);
    const kept = new Set(stored);
    assert.deepEqual(
      answered.filter((id) => !kept.has(id)),
      [],
    );
  },
);

test('a journal that was stored but not deleted, or cut in its last line, adds nothing', async () => {
  const folder = join(place.root, 'serving', 'one');
  await mkdir(folder, { recursive: true });
  const { inputs, outputs } = signature;
  const header = { kind: 'predictions', model: 'flights', version: 1, seq: '1-000001', inputs, outputs };
  const row = {
    id: 'kept',
    time: '2001-01-01T00:00:00.000Z',
    loggedAt: '2001-01-01T00:00:00.000Z',
    model: 'flights',
    version: 1,
    digest: 'a'.repeat(64),
    route: 'champion',
    epoch: 1,
    ms: 1,
    inputs: { delay: null, carrier: '', cargo: true, at: null },
    outputs: { probability: 0.5 },
  };
  const path = join(folder, 'journal-1-000001.jsonl');
  for (let round = 0; round < 2; round++) {
    await writeFile(path, `${JSON.stringify(header)}\n${JSON.stringify(row)}\n`);
    await appendFile(path, JSON.stringify({ ...row, id: 'cut' }).slice(0, 90));
    await writeFile(join(folder, 'journal-1-000002.jsonl'), '{"kind":"pre');
    const { child } = await start();
    await child.kill();
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.startsWith('journal-')),
      [],
    );
  }
  const [stored, ...more] = await place.stored('predictions/');
  assert.deepEqual(more, []);
  assert.equal(stored?.['id'], 'kept');
  assert.equal(stored?.['in_at'], null);
});

test('labels are journalled and stored as text, by the day they were known', async () => {
  const { child, url } = await start();
  const labels = [
    { id: 'a/0', label: true, time: '2001-02-03T04:05:06Z' },
    { id: 'a/1', label: 'no' },
    { id: 'b', label: 1 },
  ];
  assert.deepEqual((await post(`${url}/models/flights/labels`, { labels })).body, { accepted: 3 });
  assert.equal((await post(`${url}/models/flights/labels`, { labels: [{ id: '' }] })).status, 400);
  assert.equal((await post(`${url}/models/nobody/labels`, { labels })).status, 404);
  await child.kill();
  const stored = await place.stored('labels/flights/');
  assert.deepEqual(
    stored.map(({ id, label }) => [id, label]),
    [
      ['a/0', 'true'],
      ['a/1', 'no'],
      ['b', '1'],
    ],
  );
  assert.equal((await place.stored('labels/flights/2001-02-03/')).length, 1);
});

test('the gauge counts the open journal too: at 0, every answered row is in the store', async () => {
  const { infer, url } = await start();
  const waiting = async () => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return Number(/^esteira_serving_journals_waiting (\d+)$/m.exec(text)?.[1]);
  };
  assert.equal(await waiting(), 0);
  await post(infer, inferBody(1, { id: 'first' }));
  assert.equal(await waiting(), 1);
  await post(infer, inferBody(10_000, { id: 'full' })); // fills the journal, which is then closed and shipped
  await until(async () => (await waiting()) === 0);
  assert.equal((await place.stored('predictions/')).length, 10_001);
});
