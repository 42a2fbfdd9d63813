/** What a project says of its prediction log: what is left out, what is hashed, what is sampled, and what no room does. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { Package, ReplicaStatus } from '../../contracts/serving.ts';
import type { Package as Made } from '../../contracts/serving.ts';
import { putJsonBlob, readJson, readJsonBlob } from '../../infra/store/json.ts';
import { publishSlots, publishVersion } from '../support/serving-model.ts';
import { inferBody, makePlace, post } from '../support/server.ts';
import type { Place } from '../support/server.ts';
import { until } from '../support/until.ts';

let place: Place;
const running: Awaited<ReturnType<Place['start']>>[] = [];
beforeEach(async () => {
  place = await makePlace();
});
afterEach(async () => {
  for (const { child } of running.splice(0)) await child.kill();
  await place.remove();
});

async function publish(log: Made['log']) {
  const { version, package: made } = await publishVersion(place.store, 1, 1);
  const content = { ...(await readJsonBlob(place.store, made, Package)), log };
  await publishSlots(place.store, {
    champion: { version, package: await putJsonBlob(place.store, content) },
  });
}

async function start(env: Record<string, string> = {}) {
  const server = await place.start('one', { env });
  running.push(server);
  return { ...server, infer: `${server.url}/v2/models/flights/infer` };
}

test('columns that tell of a person are left out or hashed, and never touch the disk', async () => {
  await publish({ sample: 1, pii: { carrier: 'hash', delay: 'omit' } });
  const { child, infer } = await start({ ESTEIRA_PII_KEY: 'a key for tests only' });
  const secret = 'Ada Lovelace of London';
  const body = inferBody(2, { id: 'a' });
  body.inputs[1]!.data = [secret, secret];
  assert.equal((await post(infer, body)).status, 200);
  const folder = join(place.root, 'serving', 'one');
  const [journal, ...more] = (await readdir(folder)).filter((name) => name.endsWith('.rows'));
  assert.deepEqual(more, []);
  const text = await readFile(join(folder, journal!), 'latin1');
  assert(text.includes('"carrier"') && !text.includes(secret) && !text.includes('"delay"'));
  await child.kill();
  const rows = await place.stored('predictions/');
  assert.equal(rows.length, 2);
  assert.match(String(rows[0]!['in_carrier']), /^[0-9a-f]{32}$/);
  assert.equal(rows[0]!['in_carrier'], rows[1]!['in_carrier']);
  assert(!('in_delay' in rows[0]!));
});

test('without a key, a version whose log needs one is refused, and says so', async () => {
  await publish({ sample: 1, pii: { carrier: 'hash' } });
  const { infer } = await start();
  assert.equal((await post(infer, inferBody(1))).status, 503);
  const note = async () =>
    (await readJson(place.store, 'replicas/one.json', ReplicaStatus))?.value.models['flights'];
  await until(async () => ((await note())?.failed.length ?? 0) > 0);
  assert.match(
    (await note())!.failed[0]!.reason,
    /carrier is to be logged as a hash, and this server has no ESTEIRA_PII_KEY/,
  );
});

test('of a sampled log, the same requests are in it whoever answers them', async () => {
  await publish({ sample: 0.3, pii: {} });
  const { child, infer } = await start();
  for (let i = 0; i < 100; i++) await post(infer, inferBody(1, { id: `request-${i}` }));
  await child.kill();
  const first = (await place.stored('predictions/')).map(({ id }) => String(id));
  assert(first.length > 10 && first.length < 55, `${first.length} of 100`);
  const again = await start();
  for (let i = 0; i < 100; i++) await post(again.infer, inferBody(1, { id: `request-${i}` }));
  await again.child.kill();
  const both = (await place.stored('predictions/')).map(({ id }) => String(id));
  assert.deepEqual([...new Set(both)], first);
  assert.equal(both.length, 2 * first.length);
});

for (const [sample, status] of [
  [1, 503],
  [0.999, 200],
] as const) {
  test(`a log without room: ${sample === 1 ? 'nothing is answered' : 'a sampled one drops rows, and counts them'}`, async () => {
    await publish({ sample, pii: {} });
    // The store takes no journal, and a megabyte is soon full.
    const { infer, url } = await start({
      ESTEIRA_SERVING_LOG_MB: '1',
      ESTEIRA_FAULT: 'serving:shipping:hang',
    });
    const metric = async (name: string) =>
      Number(new RegExp(`^${name} ([0-9.]+)$`, 'm').exec(await (await fetch(`${url}/metrics`)).text())?.[1]);
    assert.equal((await post(infer, inferBody(10_000))).status, 200);
    for (let i = 0; i < 4; i++) await post(infer, inferBody(10_000)); // some 35 bytes a row
    const dropped = () => metric('esteira_serving_log_dropped_rows_total');
    await until(async () => {
      const answer = await post(infer, inferBody(1));
      return status === 503 ? answer.status === 503 : (await dropped()) > 0;
    });
    const answer = await post(infer, inferBody(1));
    assert.equal(answer.status, status);
    if (status === 503) assert.match(answer.body.error, /the prediction log is full/);
    assert.equal((await dropped()) > 0, status === 200);
    assert((await metric('esteira_serving_log_bytes')) > 1e6);
  });
}
