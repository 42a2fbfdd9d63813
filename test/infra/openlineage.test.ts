/** The line in which events wait for their receiver: in order, ever later, and never in anybody's way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from '../../infra/config.ts';
import { freePort } from '../../infra/local.ts';
import { openLineageReceiver } from '../../infra/openlineage.ts';
import { openReceiver } from '../support/receiver.ts';
import { until } from '../support/until.ts';

function opened(url: string) {
  const logged: string[] = [];
  const log = {
    warn: (_: object, message: string) => void logged.push(message),
    info: (_: object, message: string) => void logged.push(message),
  };
  return { logged, line: openLineageReceiver({ url, namespace: 'esteira' }, log) };
}

test('settings are read as OpenLineage clients read them', () => {
  const OPENLINEAGE_URL = 'http://marquez:5000/';
  assert.deepEqual(readConfig({ OPENLINEAGE_URL }).lineage, {
    ...{ url: 'http://marquez:5000/api/v1/lineage', namespace: 'esteira' },
  });
  const all = { OPENLINEAGE_ENDPOINT: '/x', OPENLINEAGE_NAMESPACE: 'ml', OPENLINEAGE_API_KEY: 'k' };
  assert.deepEqual(readConfig({ OPENLINEAGE_URL, ...all }).lineage, {
    ...{ url: 'http://marquez:5000/x', namespace: 'ml', apiKey: 'k' },
  });
  assert.equal(readConfig({ OPENLINEAGE_URL, OPENLINEAGE_DISABLED: 'True' }).lineage, undefined);
  assert.equal(readConfig({}).lineage, undefined);
  assert.throws(
    () => readConfig({ OPENLINEAGE_URL: 'marquez:5000' }),
    /OPENLINEAGE_URL is "marquez:5000"; allowed/,
  );
});

test('events arrive in order, also those that were slower to put together', async () => {
  const receiver = await openReceiver();
  const { line } = opened(receiver.url);
  let go = () => {};
  const slow = new Promise<void>((done) => (go = done));
  line.tell(() => slow.then(() => [{ n: 1 }, { n: 2 }]));
  line.tell(async () => [{ n: 3 }]);
  go();
  await line.idle(5_000);
  assert.deepEqual(
    receiver.got.map((one) => one.json().n),
    [1, 2, 3],
  );
  await receiver.close();
});

test('a receiver that is down costs a line in the log, keeps nobody waiting, and hears all when it is back', async () => {
  const port = await freePort(0);
  const { line, logged } = opened(`http://127.0.0.1:${port}/`);
  line.tell(async () => [{ n: 1 }]);
  line.tell(async () => [{ n: 2 }]);
  await until(() => logged.length > 0);
  const before = performance.now();
  await line.idle(60_000);
  assert(performance.now() - before < 1_000);
  const receiver = await openReceiver(port);
  await until(() => receiver.got.length === 2);
  await until(() => logged.length === 2);
  assert.match(
    logged[0]!,
    /lineage waits for its receiver: 127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/,
  );
  assert.match(logged[1]!, /is back; 0 messages found no room/);
  await receiver.close();
});

test('what finds no room is dropped, oldest first', async () => {
  const port = await freePort(0);
  const { line, logged } = opened(`http://127.0.0.1:${port}/`);
  for (let n = 0; n < 1_101; n++) line.tell(async () => [{ n }]);
  await until(() => logged.length > 0);
  const receiver = await openReceiver(port);
  await until(() => receiver.got.length === 1_001);
  assert.deepEqual([receiver.got[0]!.json().n, receiver.got[1]!.json().n], [0, 101]);
  assert.match(logged[1]!, /100 messages found no room/);
  await receiver.close();
});

test('what is refused is said and not sent again; what cannot be put together is said, and the rest goes on', async () => {
  const receiver = await openReceiver();
  receiver.replies.push({ status: 422, text: 'no such facet' });
  const { line, logged } = opened(receiver.url);
  line.tell(async () => [{ n: 1 }]);
  line.tell(async () => {
    throw new Error('gone');
  });
  line.tell(async () => [{ n: 3 }]);
  await line.idle(5_000);
  assert.equal(receiver.got.length, 2);
  assert.match(logged[0]!, /refused an event: 127\.0\.0\.1:\d+ answered 422 no such facet/);
  assert.match(logged[1]!, /cannot be read/);
  await receiver.close();
});

test('a worker that ends while the receiver is down does not wait for it', async () => {
  const { line, logged } = opened(`http://127.0.0.1:${await freePort(0)}/`);
  line.tell(async () => [{ n: 1 }]);
  await until(() => logged.length > 0);
  const before = performance.now();
  await line.close();
  assert(performance.now() - before < 1_000);
  assert.match(logged[1]!, /not all of it was told/);
});
