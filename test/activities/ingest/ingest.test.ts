/** Ingest over real files: same inputs, same digest; and what a broken source is told. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createIngest } from '../../../activities/ingest/index.ts';
import { DatasetManifest } from '../../../contracts/dataset.ts';
import { failedWith } from '../../../contracts/failures.ts';
import type { PermanentType } from '../../../contracts/failures.ts';
import { readJsonBlob } from '../../../infra/store/json.ts';
import { csv, january, openBench, project } from '../../support/stage.ts';
import type { Bench } from '../../support/stage.ts';

let bench: Bench;
before(async () => (bench = await openBench()));
after(() => bench.close());

async function ingest(change: Parameters<typeof project>[0] = {}, window = january) {
  const input = { lifecycleId: 'lifecycle/m/1', project: await bench.pin(project(change)), window };
  return bench.run(createIngest(bench.deps).ingest, input);
}

const failing = (type: PermanentType, says: RegExp) => (error: unknown) =>
  failedWith(error, type) && says.test((error as Error).message);

test('rows of the window become parts, with schema, range and sources', async () => {
  await bench.write('rows.csv', csv(1_000, ['late,2001-02-01 00:00:00,1,ATL,0']));
  const dataset = await ingest();
  const manifest = await readJsonBlob(bench.store, dataset.manifest, DatasetManifest);
  assert.equal(dataset.rows, 1_000);
  assert.deepEqual(manifest.columns, [
    { name: 'id', type: 'string' },
    { name: 'seen', type: 'timestamp' },
    { name: 'x', type: 'number' },
    { name: 'city', type: 'string' },
    { name: 'y', type: 'integer' },
  ]);
  assert.equal(manifest.first, january.from);
  assert.equal(manifest.sources[0]!.uri, 'rows.csv');
  const db = await bench.deps.openDuckDb(bench.folder);
  const path = await bench.store.localPath(manifest.parts[0]!.artifact);
  const [found] = await db.rows<{ n: number; x: number }>(
    `SELECT count(*) AS n, sum(y) AS x FROM read_parquet('${path}')`,
  );
  await db.close();
  assert.equal(found!.n, 1_000);
});

test('the same inputs give the same digest, another window another', async () => {
  await bench.write('rows.csv', csv(1_000));
  const [first, second] = [await ingest(), await ingest()];
  assert.equal(first.digest, second.digest);
  const shorter = await ingest({}, { ...january, until: '2001-01-03T00:00:00.000Z' });
  assert.notEqual(shorter.digest, first.digest);
  assert.equal(shorter.rows, 288);
});

test('several files and JSON lines are read as one source', async () => {
  await bench.write('a.jsonl', '{"id":"a","seen":"2001-01-02 00:00:00","x":1,"city":"ATL","y":0}\n');
  await bench.write('b.jsonl', '{"id":"b","seen":"2001-01-03 00:00:00","x":2,"city":"DEN","y":1}\n');
  const dataset = await ingest({ sources: { event: { path: '*.jsonl' } } });
  assert.equal(dataset.rows, 2);
});

test('a broken CSV is refused with its line', async () => {
  await bench.write('rows.csv', csv(50, ['r50,2001-01-20 00:00:00,1,ATL,0,surplus,surplus']));
  await assert.rejects(ingest(), failing('UnreadableSource', /line: ?52/i));
});

test('a source that matches no file says where it looked', async () => {
  await assert.rejects(
    ingest({ sources: { event: { path: 'nowhere/*.csv' } } }),
    failing('UnreadableSource', /no file matches nowhere/),
  );
});

test('a column that the project names but the query lacks is named', async () => {
  await bench.write('rows.csv', csv(10));
  await assert.rejects(ingest({ label: 'returned' }), failing('MissingColumn', /no column returned.*label/));
});

test('an empty window is an answer, not an empty dataset', async () => {
  await bench.write('rows.csv', csv(10));
  const later = { from: '2002-01-01T00:00:00.000Z', until: '2002-02-01T00:00:00.000Z' };
  await assert.rejects(ingest({}, later), failing('EmptyWindow', /no rows of m between 2002/));
});

test("a query that does not run is the project's to mend", async () => {
  await bench.write('rows.csv', csv(10));
  await assert.rejects(ingest({ query: 'SELECT nonsense FROM event' }), failing('QueryFailed', /nonsense/));
  await assert.rejects(ingest({ query: 'SELECT [1] AS x, * FROM event' }), failing('QueryFailed', /cast it/));
});
