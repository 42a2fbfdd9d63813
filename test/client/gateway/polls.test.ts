/** Sources that must be asked: each thing found is one event, over many looks and over restarts. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { watermarkOf } from '../../../client/gateway/watermark.ts';
import { Batch } from '../../../contracts/inbox.ts';
import type { GatewayEvent } from '../../../contracts/inbox.ts';
import { openDuckDb } from '../../../infra/duckdb.ts';
import { readJson } from '../../../infra/store/json.ts';
import { makeGatewayPlace } from '../../support/gateway.ts';
import type { GatewayPlace } from '../../support/gateway.ts';
import { noPostgres, startPostgres } from '../../support/postgres.ts';
import { until } from '../../support/until.ts';

let place: GatewayPlace;
before(async () => (place = await makeGatewayPlace()));
after(() => place.remove());

async function kept(): Promise<GatewayEvent[]> {
  const events: GatewayEvent[] = [];
  for await (const { key } of place.store.list('inbox/log/'))
    events.push(...(await readJson(place.store, key, Batch))!.value.events.map(({ event }) => event));
  return events;
}

test('a place, a resource and a database are asked again and again, and tell of each thing once', async () => {
  const watched = join(place.root, 'in');
  await mkdir(join(watched, 'day'), { recursive: true });
  await writeFile(join(watched, 'day', 'a.csv'), 'x');
  await writeFile(join(watched, 'night.csv'), 'x');
  let tag = '"one"';
  let asked = 0;
  const server = createServer((_request, answer) => {
    asked++;
    answer.setHeader('etag', tag).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const database = join(place.root, 'orders.duckdb');
  await orders(database, 'CREATE TABLE orders AS SELECT 41 AS id');
  const path = join(place.root, 'gateway.yaml');
  await writeFile(
    path,
    `polls:
  days: { prefix: 'file:${watched}/day', every: 50ms }
  rates: { url: 'http://127.0.0.1:${port}/rates', every: 50ms }
  orders: { database: '${database}', watermark: 'SELECT max(id) FROM orders', every: 50ms }
`,
  );
  const first = await place.start({ args: ['--config', path] });
  await until(async () => (await kept()).length === 3);
  await writeFile(join(watched, 'day', 'b.csv'), 'y');
  tag = '"two"';
  await until(async () => (await kept()).length === 5);
  await first.child.kill();
  await orders(database, 'INSERT INTO orders VALUES (42)');
  const second = await place.start({ args: ['--config', path] });
  await until(async () => (await kept()).length === 6);
  const looked = asked;
  await until(() => asked > looked + 3);
  await second.child.kill();
  server.close();
  const found = (await kept()).map(({ type, subject, data }) => `${type} ${subject} ${JSON.stringify(data)}`);
  assert.deepEqual(found.toSorted(), [
    'esteira.poll.object day/a.csv {"bytes":1}',
    'esteira.poll.object day/b.csv {"bytes":1}',
    `esteira.poll.resource rates {"tag":"\\"one\\"","url":"http://127.0.0.1:${port}/rates"}`,
    `esteira.poll.resource rates {"tag":"\\"two\\"","url":"http://127.0.0.1:${port}/rates"}`,
    'esteira.poll.watermark orders {"value":"41"}',
    'esteira.poll.watermark orders {"value":"42"}',
  ]);
});

async function orders(path: string, sql: string): Promise<void> {
  const db = await openDuckDb({ memory: '256MB', threads: 1, spillDir: join(place.root, 'spill') });
  await db.run(`ATTACH '${path}' AS made`);
  await db.run('USE made');
  await db.run(sql);
  await db.close();
}

test('a watermark is one value, and nothing is no value', async () => {
  const path = join(place.root, 'empty.duckdb');
  await orders(path, 'CREATE TABLE orders (id INTEGER)');
  const ask = (sql: string) => watermarkOf({ database: path, watermark: sql }, join(place.root, 'spill'));
  assert.equal(await ask('SELECT max(id) FROM orders'), null);
  await assert.rejects(ask('SELECT 1, 2'), /must be one value; there are 2/);
  await assert.rejects(ask('INSERT INTO orders VALUES (1)'), /read-only/);
});

test(
  'PostgreSQL is asked, with a password that is named elsewhere',
  { skip: noPostgres() ?? false },
  async () => {
    const database = await startPostgres();
    await database.run('CREATE TABLE orders (id bigint); INSERT INTO orders VALUES (9007199254740993)');
    const [path, before] = [join(place.root, 'postgres.yaml'), (await kept()).length];
    await writeFile(join(place.root, 'orders.password'), `${database.password}\n`);
    await writeFile(
      path,
      `polls:
  orders:
    database: ${database.url}
    password: { file: orders.password }
    watermark: SELECT max(id) FROM orders
    every: 50ms
`,
    );
    const { child } = await place.start({ args: ['--config', path] });
    await until(async () => (await kept()).length === before + 1);
    await database.run('INSERT INTO orders VALUES (9007199254740994)');
    await until(async () => (await kept()).length === before + 2);
    await child.kill();
    const events = (await kept()).slice(before);
    assert.deepEqual(
      events.map(({ source, data }) => [source, data]),
      [
        [database.url, { value: '9007199254740993' }],
        [database.url, { value: '9007199254740994' }],
      ],
    );
    const ask = (watermark: string, password = database.password) =>
      watermarkOf({ database: database.url, watermark, password }, place.root);
    assert.equal(await ask('SELECT max(id) FROM orders WHERE id < 0'), null);
    assert.equal(
      await ask("SELECT '2001-02-03 04:05:06.000007Z'::timestamptz AT TIME ZONE 'UTC'"),
      '2001-02-03 04:05:06.000007',
    );
    await assert.rejects(ask('SELECT 1, 2'), /must be one value; there are 2/);
    await assert.rejects(ask('INSERT INTO orders VALUES (1)'), /read-only transaction/);
    await assert.rejects(ask('SELECT 1', 'wrong'), /password authentication failed/);
    await database.close();
    await assert.rejects(ask('SELECT 1'), /ECONNREFUSED/);
  },
);

for (const [name, line, sentence] of [
  ['in its URL', 'database: postgresql://watcher:sesame@db/orders', /must be a URL without a password in it/],
  [
    'that nobody has set',
    'database: postgresql://db/orders, password: { env: NO_SUCH_PASSWORD }',
    /NO_SUCH_PASSWORD, the secret of polls.orders, is not set/,
  ],
] as const) {
  test(`a database's password ${name} is refused`, async () => {
    const path = join(place.root, 'refused.yaml');
    await writeFile(path, `polls: { orders: { ${line}, watermark: SELECT 1 } }\n`);
    await assert.rejects(place.start({ args: ['--config', path] }), sentence);
  });
}
