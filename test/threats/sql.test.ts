/** A project's own SQL: it computes over its sources, and reaches nothing else. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openDuckDb } from '../../infra/duckdb.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { csv } from '../support/stage.ts';
import { openSandbox } from './sandbox.ts';
import type { Sandbox } from './sandbox.ts';

let sandbox: Sandbox;
let rows: string;
before(async () => {
  sandbox = await openSandbox();
  rows = await sandbox.write('rows.csv', csv(50));
  await sandbox.write('other.csv', csv(50));
});
after(() => sandbox.close());

/** `out` stands for a path outside, `own` for the project's folder. */
const queries: [string, string][] = [
  ['reads a file as CSV', "SELECT * FROM read_csv('out/secret.csv')"],
  ['reads a file as text', "SELECT * FROM event, read_text('/etc/passwd')"],
  ['reads a file as bytes', "SELECT * FROM event, read_blob('/etc/shadow')"],
  ['reads a file by its name', "SELECT * FROM 'out/secret.csv'"],
  ['reads another file of the project', "SELECT * FROM read_csv('own/other.csv')"],
  ['reads by a way around', "SELECT * FROM read_csv('own/rows.csv/../../out/secret.csv')"],
  ['lists a folder', "SELECT * FROM event, glob('/etc/*')"],
  ['sniffs a file', "SELECT event.*, s.Delimiter FROM event, sniff_csv('out/secret.csv') s"],
  ['looks into Parquet', "SELECT * FROM event, parquet_metadata('out/secret.csv')"],
  ['fetches a page', "SELECT * FROM read_csv('http://169.254.169.254/latest')"],
  ['fetches from a bucket', "SELECT * FROM read_parquet('s3://bucket/x.parquet')"],
  [
    'writes a file, behind a semicolon',
    "SELECT * FROM event; COPY (SELECT 1) TO 'out/written.csv'; SELECT 1",
  ],
  ['writes a file', "COPY (SELECT 1) TO 'out/written.csv'"],
  ['overwrites its source', "SELECT 1; COPY (SELECT 1) TO 'own/rows.csv' (USE_TMP_FILE false)"],
  ['attaches a database', "SELECT 1; ATTACH 'out/x.db'"],
  ['attaches a database alone', "ATTACH 'out/x.db'"],
  ['installs an extension', 'INSTALL httpfs'],
  ['loads an extension', "LOAD 'out/x.duckdb_extension'"],
  ['unlocks itself', 'SELECT 1; SET enable_external_access = true'],
  ['changes a setting', "SELECT 1; PRAGMA memory_limit = '100GB'"],
  ['exports everything', "EXPORT DATABASE 'out/all'"],
  ['drops the source', 'SELECT * FROM event; DROP VIEW event'],
  ['leaves its parentheses', "SELECT * FROM event) TO 'out/written.csv' (FORMAT csv); --"],
  ['asks for secrets', 'SELECT event.*, s.name FROM event, duckdb_secrets() s'],
  ['reads the environment', "SELECT getenv('HOME') AS home, * FROM event"],
  ['nests deeper than a parser goes', `SELECT ${'('.repeat(50_000)}1${')'.repeat(50_000)}`],
  ['nests queries', `${'SELECT * FROM ('.repeat(5_000)}SELECT 1${')'.repeat(5_000)}`],
];
for (const [what, query] of queries) {
  test(`a query is refused that ${what}`, { timeout: 160_000 }, async () => {
    const sql = query
      .replaceAll('out/', `${sandbox.outside}/`)
      .replaceAll('own/', `${sandbox.bench.folder}/`);
    const before = await readFile(rows, 'utf8');
    const message = await sandbox.refuses({ query: sql }, 'QueryFailed', /the query of m fails/);
    assert(!/root:|ATL/.test(message));
    assert.equal(await readFile(rows, 'utf8'), before);
  });
}

test('a plain query over the same source runs, and spills what does not fit', async () => {
  const query = `SELECT e.* FROM event e JOIN (SELECT count(*) AS n FROM (SELECT hash(i) AS h, repeat('x', 50) || i AS s
    FROM range(3000000) t(i) ORDER BY h)) ON n > 0`;
  assert.equal((await sandbox.ingest({ query })).rows, 50);
});

test('a locked engine keeps to its files whoever asks, on every connection', async () => {
  const db: DuckDb = await openDuckDb({
    memory: '256MB',
    threads: 1,
    spillDir: join(sandbox.bench.folder, 'spill'),
  });
  await db.lock([rows]);
  assert.equal((await db.rows(`SELECT * FROM read_csv('${rows}')`)).length, 50);
  const secret = `SELECT * FROM read_csv('${sandbox.outside}/secret.csv')`;
  await assert.rejects(db.rows(secret), /Permission Error/);
  await assert.rejects(db.run(`COPY (SELECT 1) TO '${sandbox.outside}/x.csv'`), /Permission Error/);
  await assert.rejects(async () => {
    for await (const chunk of db.stream(secret)) assert.fail(JSON.stringify(chunk.columns));
  }, /Permission Error/);
  await assert.rejects(db.lock([join(sandbox.outside, 'secret.csv')]), /locked/);
  await db.close();
});
