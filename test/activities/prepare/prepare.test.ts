/** The prepare stage: who goes where, what is dropped, what is refused, and that it is the same each time. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { failedWith } from '../../../contracts/failures.ts';
import { PreparedManifest } from '../../../contracts/prepared.ts';
import type { Part } from '../../../contracts/dataset.ts';
import type { DuckDb } from '../../../infra/duckdb.ts';
import { quoteLiteral } from '../../../infra/duckdb.ts';
import { readJsonBlob } from '../../../infra/store/json.ts';
import { flightFeatures, flightsSql, openBelt, prepared, projectOf } from './belt.ts';
import type { Belt } from './belt.ts';

let belt: Belt;
let db: DuckDb;
before(async () => {
  belt = await openBelt();
  db = await belt.openDuckDb(belt.folder);
});
after(async () => {
  await db.close();
  await rm(belt.folder, { recursive: true });
});

/** Many rows share a time; a customer has some ten rows; every 50th label is missing. */
const orders = `SELECT i AS id, TIMESTAMP '2001-01-01' + to_hours(i // 100) AS at, CAST(i % 13 AS DOUBLE) AS size,
  'customer ' || (hash(i) % 500) AS customer, CASE WHEN i % 50 = 7 THEN NULL ELSE hash(i) % 10 < 2 END AS late
  FROM (SELECT CAST(i AS BIGINT) AS i FROM range(5000) AS r(i))`;
const features = { size: {}, customer: { encode: 'embedding' } };

async function manifestOf(change: Record<string, unknown>, sql = orders, shuffle = false) {
  const { prepared: output } = await prepared(belt, projectOf({ features, ...change }), sql, shuffle);
  return { output, manifest: await readJsonBlob(belt.store, output.manifest, PreparedManifest) };
}

async function query<T>(sql: string, parts: readonly Part[]): Promise<T[]> {
  const paths = [];
  for (const { artifact } of parts) paths.push(quoteLiteral(await belt.store.localPath(artifact)));
  return db.rows<T>(sql.replace('$parts', `read_parquet([${paths.join(', ')}])`));
}

test('by time, the holdout is the last rows, and rows without a label are nowhere', async () => {
  const { manifest } = await manifestOf({});
  assert.deepEqual(manifest.rows, { train: 3_430, validation: 490, holdout: 980 });
  assert.deepEqual(manifest.fitted['late']!['dropped'], 100);
  const [holdout] = await query<{ first: number }>('SELECT min(id) AS first FROM $parts', manifest.holdout);
  const [seen] = await query<{ last: number }>('SELECT max(id) AS last FROM $parts', [manifest.reference]);
  assert.ok(seen!.last < holdout!.first);
});

test('by group, nobody is on two sides', async () => {
  const { manifest } = await manifestOf({ split: { by: 'group', column: 'customer' } });
  const people = async (parts: readonly Part[]) =>
    (await query<{ customer: string }>('SELECT DISTINCT customer FROM $parts', parts)).map(
      (row) => row.customer,
    );
  const [train, holdout] = [await people([manifest.reference]), await people(manifest.holdout)];
  assert.ok(train.length > 200 && holdout.length > 50);
  assert.deepEqual(
    holdout.filter((name) => train.includes(name)),
    [],
  );
});

test('at random, each side has the same share of positives', async () => {
  const { manifest } = await manifestOf({ split: { by: 'random', seed: 3 } });
  const share = 'SELECT avg(CAST(label AS DOUBLE)) AS share, count(*) AS n FROM $parts';
  const [train] = await query<{ share: number }>(share, manifest.train);
  const [validation] = await query<{ share: number }>(share, manifest.validation);
  assert.ok(Math.abs(train!.share - validation!.share) < 0.002);
});

test('the same rows give the same bytes, however many threads there were', async () => {
  const project = projectOf({ features: flightFeatures, split: { by: 'random' } });
  const sql = flightsSql('2001-01-01', '2001-01-15');
  const first = await prepared(belt, project, sql);
  const again = await prepared(belt, project, sql);
  assert.equal(first.prepared.manifest.sha256, again.prepared.manifest.sha256);
});

test('shuffled labels keep their number and lose their rows; the holdout keeps the truth', async () => {
  const { manifest: plain } = await manifestOf({});
  const { manifest: drill } = await manifestOf({}, orders, true);
  assert.equal(drill.holdout[0]!.artifact.sha256, plain.holdout[0]!.artifact.sha256);
  const labels = async ({ train, validation }: PreparedManifest) =>
    (await query<{ label: number }>('SELECT label FROM $parts', [...train, ...validation])).map(
      (row) => row.label,
    );
  const [before, after] = [await labels(plain), await labels(drill)];
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  assert.equal(sum(before), sum(after));
  assert.notDeepEqual(before, after);
  const [row] = await query<{ n0: number }>('SELECT n0 FROM $parts LIMIT 1', drill.train);
  const [same] = await query<{ n0: number }>('SELECT n0 FROM $parts LIMIT 1', plain.train);
  assert.equal(row!.n0, same!.n0);
});

test('balanced weights give both classes the same sum', async () => {
  const { manifest } = await manifestOf({ trainer: { backend: 'onnx', classWeight: 'balanced' } });
  const sums = await query<{ sum: number }>(
    'SELECT sum(CAST(weight AS DOUBLE)) AS sum FROM $parts GROUP BY label',
    manifest.train,
  );
  assert.equal(sums.length, 2);
  for (const { sum } of sums) assert.ok(Math.abs(sum - manifest.rows.train / 2) < 0.5);
});

test('what cannot be learned from is refused by name', async () => {
  const named = (type: Parameters<typeof failedWith>[1]) => (error: unknown) => failedWith(error, type);
  await assert.rejects(manifestOf({ features: { weight: {} } }), named('MissingColumn'));
  await assert.rejects(manifestOf({ features: { late: {} } }), named('InvalidInput'));
  await assert.rejects(manifestOf({ features: { at: {} } }), named('InvalidInput'));
  await assert.rejects(manifestOf({ label: 'size', features: { customer: {} } }), named('UntrainableData'));
  const calm = orders.replace('hash(i) % 10 < 2 END', 'false END');
  await assert.rejects(manifestOf({}, calm), named('UntrainableData'));
  const early = orders.replace('hash(i) % 10 < 2 END', 'i > 4500 END');
  await assert.rejects(manifestOf({}, early), named('UntrainableData'));
  await assert.rejects(manifestOf({}, `${orders} LIMIT 12`), named('UntrainableData'));
});
