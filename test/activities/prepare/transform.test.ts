/** The transform twice over: what SQL wrote into the parts, and what ONNX makes of the same raw rows. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { PreparedManifest } from '../../../contracts/prepared.ts';
import type { DuckDb } from '../../../infra/duckdb.ts';
import { quoteLiteral } from '../../../infra/duckdb.ts';
import { openSession, tensorsOf } from '../../../infra/onnx/session.ts';
import { readJsonBlob } from '../../../infra/store/json.ts';
import { openBelt, prepared, projectOf } from './belt.ts';
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

/** Nulls, NaN, infinities, huge and tiny numbers, rare and empty texts, days from 1890 to 2105. */
const awkwardRows = `
  SELECT i AS id, TIMESTAMP '2001-01-01' + INTERVAL (i) SECOND AS at, i % 7 < 3 AS late,
    CASE h % 23 WHEN 0 THEN NULL WHEN 1 THEN 'nan'::DOUBLE WHEN 2 THEN 'inf'::DOUBLE WHEN 3 THEN 1e12
      WHEN 4 THEN -1e12 WHEN 5 THEN 1e-300 WHEN 6 THEN -1.0 ELSE (h % 100000) / 997.0 - 30 END AS number,
    CASE WHEN h % 11 = 0 THEN NULL ELSE CAST(h % 9007199254740991 - 4503599627370496 AS BIGINT) END AS big,
    CASE WHEN h % 13 = 0 THEN NULL ELSE CAST(h % 12 - 4 AS BIGINT) END AS few,
    CASE WHEN h % 17 = 0 THEN NULL WHEN h % 17 = 1 THEN '' WHEN h % 17 = 2 THEN 'rare ' || i
      ELSE 'città ' || (h % 9) END AS town,
    CASE WHEN h % 5 = 0 THEN NULL ELSE h % 2 = 0 END AS flag,
    CASE WHEN h % 19 = 0 THEN NULL
      ELSE TIMESTAMP '1890-03-01' + to_milliseconds(CAST(h % 6780000000000 AS BIGINT)) END AS moment
  FROM (SELECT CAST(i AS BIGINT) AS i, CAST(hash(i) % 1000000007000000 AS HUGEINT) AS h FROM range(6000) AS r(i))`;

const features = {
  number: { clip: [-20, 50], log: true },
  unclipped: { from: 'number', scale: 'robust', impute: 'mean' },
  plain: { from: 'number', scale: 'none', impute: -1 },
  big: { impute: 'most-frequent' },
  few_index: { from: 'few', encode: 'embedding' },
  town: { minCount: 3 },
  town_filled: { from: 'town', encode: 'embedding', impute: 'most-frequent', dimensions: 3 },
  number_index: { from: 'number', encode: 'one-hot', minCount: 2 },
  flag: {},
  flag_index: { from: 'flag', encode: 'one-hot' },
  hour: { from: 'moment', part: 'hour' },
  minute: { from: 'moment', part: 'minute', cyclic: true },
  weekday: { from: 'moment', part: 'weekday', encode: 'one-hot' },
  day: { from: 'moment', part: 'day' },
  month: { from: 'moment', part: 'month', cyclic: true },
  month_index: { from: 'moment', part: 'month', encode: 'one-hot' },
};

test('ONNX repeats every feature that SQL wrote, on rows it was not fitted on too', async () => {
  const split = { by: 'random', validation: 0.3, holdout: 0.1 };
  const project = projectOf({ features, split });
  const { prepared: output } = await prepared(belt, project, awkwardRows);
  const manifest = await readJsonBlob(belt.store, output.manifest, PreparedManifest);
  const session = await openSession(await belt.store.localPath(manifest.transform));

  const wanted = await featureRows(manifest);
  const columns = await rawColumns(manifest, awkwardRows);
  const result = await session.run(tensorsOf(manifest.signature, columns));
  const numeric = result['numeric']!.data as Float32Array;
  const categorical = result['categorical']!.data as BigInt64Array;
  const widths = { numeric: manifest.layout.numeric.length, categorical: manifest.layout.categorical.length };
  assert.ok(wanted.length > 5_000);
  for (const [row, features] of wanted.entries()) {
    for (let k = 0; k < widths.numeric; k++) {
      const [expected, actual] = [features[`n${k}`]!, numeric[row * widths.numeric + k]!];
      const close = Math.abs(expected - actual) <= 1e-6 * Math.max(1, Math.abs(expected));
      assert.ok(close, `${manifest.layout.numeric[k]} of row ${row}: SQL ${expected}, ONNX ${actual}`);
    }
    for (let k = 0; k < widths.categorical; k++) {
      const actual = Number(categorical[row * widths.categorical + k]);
      assert.equal(actual, features[`c${k}`], `${manifest.layout.categorical[k]!.name} of row ${row}`);
    }
  }
});

test('a served row of nothing but nulls and unseen values is a row of finite features', async () => {
  const project = projectOf({ features });
  const { prepared: output } = await prepared(belt, project, awkwardRows);
  const manifest = await readJsonBlob(belt.store, output.manifest, PreparedManifest);
  const session = await openSession(await belt.store.localPath(manifest.transform));
  const odd = { number: [null, 1e308], few: [null, 99], town: [null, 'Ω'], flag: [null, true] };
  const columns = { ...odd, big: [null, -1e308], moment: [null, -62_135_596_800_000] };
  const { numeric, categorical } = await session.run(tensorsOf(manifest.signature, columns));
  assert.ok((numeric!.data as Float32Array).every(Number.isFinite));
  const unknown = manifest.layout.categorical.findIndex(({ name }) => name === 'town');
  const filled = manifest.layout.categorical.findIndex(({ name }) => name === 'town_filled');
  assert.equal((categorical!.data as BigInt64Array)[unknown], 0n);
  assert.equal((categorical!.data as BigInt64Array)[filled], 1n);
});

async function featureRows({ train, validation }: PreparedManifest) {
  const paths = [];
  for (const { artifact } of [...train, ...validation]) paths.push(await belt.store.localPath(artifact));
  const list = paths.map((path) => quoteLiteral(path)).join(', ');
  return db.rows<Record<string, number>>(`SELECT * FROM read_parquet([${list}])`);
}

/** The raw rows in the order of the feature parts, which is the reference's for training rows. */
async function rawColumns(manifest: PreparedManifest, sql: string) {
  const train = await belt.store.localPath(manifest.reference.artifact);
  const holdout = await belt.store.localPath(manifest.holdout[0]!.artifact);
  const [a, b] = [quoteLiteral(train), quoteLiteral(holdout)];
  const validation = `SELECT * FROM (${sql}) WHERE id NOT IN (SELECT id FROM read_parquet([${a}, ${b}]))`;
  const names = manifest.signature.inputs.map(({ name, datatype }) =>
    datatype === 'INT64' ? `epoch_ms("${name}") AS "${name}"` : `"${name}"`,
  );
  const rows = await db.rows<Record<string, never>>(
    `SELECT ${names.join(', ')} FROM (SELECT 0 AS side, file_row_number AS n, * EXCLUDE (file_row_number)
       FROM read_parquet(${a}, file_row_number = true)
     UNION ALL BY NAME SELECT 1 AS side, row_number() OVER (ORDER BY "at", id) AS n, * FROM (${validation}))
     ORDER BY side, n`,
  );
  return Object.fromEntries(
    manifest.signature.inputs.map(({ name }) => [name, rows.map((row) => row[name] ?? null)]),
  );
}
