/** Labels and rows: durable when they are answered for, each once, and a project really reads what was pushed. */
import assert from 'node:assert/strict';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createIngest } from '../../../activities/ingest/index.ts';
import { mergeDays } from '../../../client/gateway/landing-days.ts';
import { Packing } from '../../../client/gateway/packing.ts';
import { findLog, openLog } from '../../../activities/monitor/log.ts';
import { DatasetManifest } from '../../../contracts/dataset.ts';
import { sha256 } from '../../../infra/digest.ts';
import { openDuckDb } from '../../../infra/duckdb.ts';
import { armFailpoints } from '../../../infra/failpoint.ts';
import { canonicalJson, readJsonBlob } from '../../../infra/store/json.ts';
import { makeGatewayPlace, send } from '../../support/gateway.ts';
import type { GatewayPlace, Started } from '../../support/gateway.ts';
import { openBench, project } from '../../support/stage.ts';
import type { Bench } from '../../support/stage.ts';

let bench: Bench;
let place: GatewayPlace;
let gateway: Started;
before(async () => {
  bench = await openBench();
  place = await makeGatewayPlace(undefined, bench.store.uri);
  gateway = await place.start();
  const slots = { model: 'm', epoch: 1, champion: null, challenger: null, previous: null };
  await bench.store.create(
    'models/m/current.json',
    canonicalJson({ ...slots, reason: 'r', by: 'b', at: '2026-01-01T00:00:00.000Z' }),
  );
});
after(async () => {
  await gateway.child.kill();
  await place.remove();
  await bench.close();
});

const csvType = { 'content-type': 'text/csv' };
const ndjson = { 'content-type': 'application/x-ndjson' };

async function stored(prefix: string, order: string): Promise<Record<string, unknown>[]> {
  const paths: string[] = [];
  for await (const { key } of bench.store.list(prefix)) paths.push(await bench.store.localKey(key));
  const db = await openDuckDb({ memory: '256MB', threads: 1, spillDir: join(bench.folder, 'spill') });
  try {
    const list = paths.map((path) => `'${path}'`).join(', ');
    return await db.rows(`SELECT * FROM read_parquet([${list}]) ORDER BY ${order}`);
  } finally {
    await db.close();
  }
}

test('labels come as JSON, NDJSON and CSV, and lie where the monitor reads them', async () => {
  const url = `${gateway.url}/labels?model=m`;
  const day = '2026-01-05T06:00:00Z';
  const answers = await Promise.all([
    send(url, [
      { id: 'a', label: 1, time: day },
      { id: 'b', label: true, time: '2026-01-06T01:00:00+02:00' },
    ]),
    send(`${gateway.url}/models/m/labels`, { labels: [{ id: 'c', label: 'late', time: day }] }),
    send(url, `{"id":"d","label":0.5,"time":"${day}"}\n\n{"id":"e","label":2,"time":"${day}"}\n`, ndjson),
    send(url, `id,label,time\n7,1,${day}\n`, csvType),
  ]);
  assert.deepEqual(
    answers.map(({ status, body }) => [status, body.accepted]),
    [
      [202, 2],
      [202, 1],
      [202, 2],
      [202, 1],
    ],
  );
  const rows = await stored('labels/m/', 'id');
  assert.deepEqual(
    rows.map(({ id, label }) => [id, label]),
    [
      ['7', '1'],
      ['a', '1'],
      ['b', 'true'],
      ['c', 'late'],
      ['d', '0.5'],
      ['e', '2'],
    ],
  );
  assert.equal(rows[2]!['time'], '2026-01-05T23:00:00.000Z');
  // As the monitor does, beside a prediction of that day.
  const db = await openDuckDb({ memory: '256MB', threads: 1, spillDir: join(bench.folder, 'spill') });
  const path = join(bench.folder, 'p.parquet');
  await db.run(
    `COPY (SELECT 'a' AS id, TIMESTAMP '2026-01-05' AS time, 1 AS version, 'champion' AS route, 1.5 AS ms) TO '${path}'`,
  );
  await bench.store.createFromFile('predictions/m/2026-01-05/00/x.parquet', path, 'application/octet-stream');
  const window = { from: '2026-01-05T00:00:00.000Z', until: '2026-01-06T00:00:00.000Z' };
  const seen = await bench.run(async () => {
    const log = await openLog(db, await findLog(bench.store, 'm', [window]));
    return {
      labelled: log.labelled,
      rows: await db.rows('SELECT label FROM predictions JOIN labels USING (id)'),
    };
  }, {});
  assert.deepEqual(seen, { labelled: true, rows: [{ label: '1' }] });
  await db.close();
});

test('labels that are none are refused by their lines, and none of them is taken', async () => {
  const before = (await stored('labels/m/', 'id')).length;
  const wrong = await send(`${gateway.url}/labels?model=m`, 'id,label\n1,\nok,1\n,2\n', csvType);
  assert.equal(wrong.status, 400);
  assert.match(wrong.body.error, /line 2: label: .*; line 4: id: .*; none was taken/);
  assert.equal((await send(`${gateway.url}/labels?model=nobody`, [{ id: 'a', label: 1 }])).status, 404);
  assert.equal((await send(`${gateway.url}/labels?model=../m`, [{ id: 'a', label: 1 }])).status, 400);
  assert.equal((await stored('labels/m/', 'id')).length, before);
});

test('rows that are pushed are what a project ingests', async () => {
  const push = (body: string, headers: Record<string, string>) =>
    send(`${gateway.url}/data/event`, body, headers);
  const first = await push(
    'id,seen,x,city,y\nr1,2001-01-02 00:00:00,0.5,ATL,1\nr2,2001-01-03T00:00:00Z,,DEN,0\n',
    csvType,
  );
  assert.deepEqual([first.status, first.body.rows], [202, 2], JSON.stringify(first.body));
  const second = await push('{"id":"r3","seen":"2001-01-04T00:00:00Z","x":1,"city":"JFK","y":1}\n', ndjson);
  assert.equal(second.status, 202, JSON.stringify(second.body));
  const artifact = await bench.pin(project({ sources: { event: { path: 'landing:event' } } }));
  const { ingest } = createIngest(bench.deps);
  const window = { from: '2001-01-01T00:00:00.000Z', until: '2001-02-01T00:00:00.000Z' };
  const dataset = await bench.run(ingest, { lifecycleId: 'lifecycle/m/1', project: artifact, window });
  assert.equal(dataset.rows, 3);
  const manifest = await readJsonBlob(bench.store, dataset.manifest, DatasetManifest);
  const files = new Set(manifest.sources.map(({ uri }) => uri));
  assert.deepEqual(files, new Set([first.body.file, second.body.file]));
  const nothing = await bench.pin(project({ sources: { event: { path: 'landing:silent' } } }));
  await assert.rejects(
    bench.run(ingest, { lifecycleId: 'lifecycle/m/2', project: nothing, window }),
    /nothing was pushed to \/data\/silent yet/,
  );
});

test('under one Idempotency-Key rows are pushed once, and not two kinds of them', async () => {
  const push = (rows: unknown, key: string) =>
    send(`${gateway.url}/data/sensors`, rows, { 'idempotency-key': key });
  const rows = [{ at: '2026-01-01T00:00:00Z', heat: 20.5, ok: true, note: 'a "quoted", one' }];
  const first = await push(rows, 'k1');
  const answers = await Promise.all([push(rows, 'k1'), push(rows, 'k1')]);
  assert.deepEqual([first.status, ...answers.map(({ status }) => status)], [202, 200, 200]);
  const other = await push([{ ...rows[0], heat: 21 }], 'k1');
  assert.equal(other.status, 409);
  assert.equal((await push([{ ...rows[0], heat: 21 }], 'k2')).status, 202);
  assert.deepEqual(await stored('landing/sensors/', 'heat'), [
    { at: '2026-01-01T00:00:00.000Z', heat: 20.5, ok: true, note: 'a "quoted", one' },
    { at: '2026-01-01T00:00:00.000Z', heat: 21, ok: true, note: 'a "quoted", one' },
  ]);
});

test('a push that was claimed on a day that is over, and never written, lands today', async () => {
  const body = '[{"n":7}]';
  const name = sha256('late');
  const file = 'landing/late/2026-01-01/x.parquet';
  const claim = { digest: sha256(body), file, rows: 1, at: '2026-01-01T00:00:00.000Z' };
  await bench.store.create(`landed/late/keys/${name}.json`, canonicalJson(claim));
  const push = () => send(`${gateway.url}/data/late`, body, { 'idempotency-key': 'late' });
  const first = await push();
  assert.notEqual(first.body.file, file);
  assert.deepEqual((await push()).body, first.body);
  assert.deepEqual(await stored('landing/late/', 'n'), [{ n: 7 }]);
});

test('rows that do not fit are refused by line and field, and leave nothing', async () => {
  const push = (body: unknown, headers = {}) => send(`${gateway.url}/data/sensors`, body, headers);
  const wrong = await push('at,heat,ok\n2026-01-01,hot,true\nyesterday,1,maybe\n', csvType);
  assert.equal(wrong.status, 400);
  assert.equal(
    wrong.body.error,
    'line 2: "heat" is "hot"; it must be a number; line 3: "at" is "yesterday"; it must be a time in ISO 8601, such as 2001-02-01T06:00:00Z; line 3: "ok" is "maybe"; it must be true or false; no row was taken',
  );
  assert.match(
    (await push([{ heat: 1, colour: 'red' }])).body.error,
    /row 1: "colour" is no column; there are at, heat, ok, note/,
  );
  assert.match((await push('{"heat":1}\n{"heat":\n', ndjson)).body.error, /line 2 is not JSON/);
  assert.match((await push('heat,heat\n1,2\n', csvType)).body.error, /names "heat" twice/);
  assert.match((await push('heat,ok\n1\n', csvType)).body.error, /not CSV/);
  assert.match(
    (await send(`${gateway.url}/data/new`, [{ a: null }])).body.error,
    /"a" has no value in this first push/,
  );
  assert.equal((await send(`${gateway.url}/data/new`, [{ a: { b: 1 } }])).status, 400);
  assert.equal((await send(`${gateway.url}/data/__proto__`, [{ a: 1 }])).status, 400);
  assert.match((await send(`${gateway.url}/data/new`, '[{"__proto__": 1}]')).body.error, /names of 1 to 128/);
  assert.equal(await bench.store.read('landed/new/schema.json'), undefined);
  assert.equal((await stored('landing/sensors/', 'heat')).length, 2);
});

test('killed between the steps of a push, the same push again makes it whole, once', async () => {
  const rows = [{ n: 1 }, { n: 2 }];
  for (const point of ['landing', 'packed', 'landed']) {
    const doomed = await place.start({ env: { ESTEIRA_FAULT: `gateway:${point}:kill` } });
    const headers = { 'idempotency-key': point };
    await assert.rejects(send(`${doomed.url}/data/killed-${point}`, rows, headers));
    assert.equal((await doomed.child.exited).signal, 'SIGKILL');
    const again = await send(`${gateway.url}/data/killed-${point}`, rows, headers);
    assert.deepEqual([again.status, again.body.rows], [200, 2], point);
    assert.deepEqual(await stored(`landing/killed-${point}/`, 'n'), rows);
  }
  const doomed = await place.start({ env: { ESTEIRA_FAULT: 'gateway:labelled:kill' } });
  const label = [{ id: 'killed', label: 1, time: '2026-02-01T00:00:00Z' }];
  await assert.rejects(send(`${doomed.url}/labels?model=m`, label));
  await doomed.child.exited;
  assert.equal((await stored('labels/m/2026-02-01/', 'id')).length, 1);
});

test('a day that is over becomes one file, and nobody sees a row twice, or misses one, while it does', async () => {
  const day = (n: number) => `landing/days/2026-01-0${n}`;
  for (let n = 0; n < 9; n++) {
    const pushed = await send(`${gateway.url}/data/days`, [{ n }], { 'idempotency-key': `d${n}` });
    const from = await bench.store.localKey(pushed.body.file);
    await bench.store.createFromFile(`${day(1)}/${n}.parquet`, from, 'application/octet-stream');
    await bench.store.delete(pushed.body.file);
  }
  const read = async (): Promise<number> => {
    const sources = { event: { path: 'landing:days' } };
    const query = `SELECT 'r' || n AS id, TIMESTAMP '2001-01-02' AS seen, n AS x, 'ATL' AS city, 1 AS y FROM event`;
    const artifact = await bench.pin(project({ sources, query }));
    const window = { from: '2001-01-01T00:00:00.000Z', until: '2001-02-01T00:00:00.000Z' };
    const lifecycleId = `lifecycle/m/${++looks}`;
    return (
      await bench.run(createIngest(bench.deps as never).ingest, { lifecycleId, project: artifact, window })
    ).rows;
  };
  let looks = 100;
  assert.equal(await read(), 9);
  const packing = new Packing(join(bench.folder, 'packing'));
  assert.equal(
    await mergeDays(bench.store, packing, '2026-01-02T23:59:59.000Z'),
    0,
    'it may still be written to',
  );
  // Cut short between the one file and the end of the many.
  armFailpoints('store:deleted:throw@3');
  await assert.rejects(mergeDays(bench.store, packing, '2026-01-03T00:00:00.000Z'), /store:deleted/);
  armFailpoints(undefined);
  assert.equal(await read(), 9);
  assert.equal(await mergeDays(bench.store, packing, '2026-01-03T00:00:00.000Z'), 1);
  assert.equal(await read(), 9);
  const keys: string[] = [];
  for await (const { key } of bench.store.list('landing/days/')) keys.push(key);
  assert.deepEqual(keys, [`${day(1)}.parquet`]);
  await packing.close();
});

test('an engine that could not be opened is opened by the next who needs it', async () => {
  const folder = join(bench.folder, 'crowded');
  const packing = new Packing(folder);
  const pack = () =>
    packing.pack([{ name: 'x', type: 'DOUBLE' }], [[1]], async (path) => (await stat(path)).size > 0);
  await mkdir(folder);
  await writeFile(join(folder, 'spill'), ''); // stands where its folder would be
  await assert.rejects(pack(), { code: 'EEXIST' });
  await rm(join(folder, 'spill'));
  assert.equal(await pack(), true);
  await packing.close();
});

test('what is declared in the settings is what the columns are', async () => {
  const caller = `{ proof: { by: token, sha256: ${sha256('t')} }, may: [data] }`;
  const columns = '{ at: time, kwh: number, id: text }';
  const path = await bench.write(
    'gateway.yaml',
    `callers: { m: ${caller} }\nlanding: { meters: { columns: ${columns} } }\n`,
  );
  const declared = await place.start({ args: ['--config', path] });
  const push = await send(`${declared.url}/data/meters`, [{ id: 7, kwh: 1 }], { authorization: 'Bearer t' });
  assert.equal(push.status, 202, JSON.stringify(push.body));
  assert.deepEqual(await stored('landing/meters/', 'id'), [{ at: null, kwh: 1, id: '7' }]);
  await declared.child.kill();
});
