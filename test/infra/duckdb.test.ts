import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openDuckDb, quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';
import type { Chunk, DuckDb } from '../../infra/duckdb.ts';

let spillDir: string;
let duckdb: DuckDb;
before(async () => {
  spillDir = await mkdtemp(join(tmpdir(), 'esteira-duckdb-'));
  duckdb = await openDuckDb({ memory: '1GB', threads: 2, spillDir });
});
after(async () => {
  await duckdb.close();
  assert.deepEqual(await readdir(spillDir), []);
  await rm(spillDir, { recursive: true });
});

test('values come as plain JavaScript, exact where they can be', async () => {
  const [row] = await duckdb.rows(`
    SELECT 12::BIGINT small, 9007199254740993::BIGINT big, sum(2) huge, 1.25::DECIMAL(10,2) AS money,
      TIMESTAMP '2001-01-31 01:02:03.456' moment, TIMESTAMPTZ '2001-01-31 01:00:00+02' zoned,
      DATE '2001-02-03' AS day, [1::BIGINT, NULL] AS list, {a: DATE '2001-01-01'} AS struct, NULL AS nothing, true AS yes`);
  assert.deepEqual(row, {
    small: 12,
    big: 9007199254740993n,
    huge: 2,
    money: 1.25,
    moment: '2001-01-31T01:02:03.456Z',
    zoned: '2001-01-30T23:00:00.000Z',
    day: '2001-02-03',
    list: [1, null],
    struct: { a: '2001-01-01' },
    nothing: null,
    yes: true,
  });
});

test('columns come as typed arrays, nulls of floats as NaN', async () => {
  const [chunk] = await all(
    duckdb.stream(`SELECT i::DOUBLE d, i::FLOAT f, i::INTEGER n, i::TINYINT t, i b, i > 1 AS yes, 'v' || i v,
      CASE WHEN i = 1 THEN NULL ELSE i::DOUBLE END gap, CASE WHEN i = 1 THEN NULL ELSE i END hole,
      1.5::DECIMAL(4,1) money, epoch_ms(i) moment, NULL::VARCHAR AS nothing FROM range(3) t(i)`),
  );
  assert.deepEqual(chunk, {
    rows: 3,
    columns: {
      d: Float64Array.of(0, 1, 2),
      f: Float32Array.of(0, 1, 2),
      n: Int32Array.of(0, 1, 2),
      t: Int32Array.of(0, 1, 2),
      b: BigInt64Array.of(0n, 1n, 2n),
      yes: Int32Array.of(0, 0, 1),
      v: ['v0', 'v1', 'v2'],
      gap: Float64Array.of(0, NaN, 2),
      hole: Float64Array.of(0, NaN, 2),
      money: Float64Array.of(1.5, 1.5, 1.5),
      moment: BigInt64Array.of(0n, 1000n, 2000n),
      nothing: [null, null, null],
    },
  });
});

test('parameters bind by place and by name', async () => {
  assert.deepEqual(await duckdb.rows('SELECT $1 + 1 a, $2 b', [41, "o'clock"]), [{ a: 42, b: "o'clock" }]);
  assert.deepEqual(await duckdb.rows('SELECT $x x', { x: 1.5 }), [{ x: 1.5 }]);
});

test('a name or a text cannot leave its quotes', async () => {
  const evil = `a"b'; DROP TABLE t; --`;
  const sql = `SELECT ${quoteLiteral(evil)} AS ${quoteIdentifier(evil)}`;
  assert.deepEqual(await duckdb.rows(sql), [{ [evil]: evil }]);
});

test('a million numeric rows stream in order while other statements run', async () => {
  await duckdb.run('CREATE TABLE numbers AS SELECT i::DOUBLE x FROM range(1000000) t(i)');
  let next = 0;
  for await (const { columns } of duckdb.stream('SELECT x FROM numbers')) {
    for (const x of columns['x'] as Float64Array) assert.equal(x, next++);
    if (next === 2048) assert.equal((await duckdb.rows('SELECT 1 one')).length, 1);
  }
  assert.equal(next, 1_000_000);
});

test('a query can be interrupted', async () => {
  const endless = duckdb.rows(
    'SELECT count(*) FROM range(100000) a, range(100000) b, range(1000) c WHERE a.range + b.range > c.range',
  );
  const timer = setInterval(() => duckdb.interrupt(), 50);
  await assert.rejects(endless, /INTERRUPT/);
  clearInterval(timer);
});

test('nothing is fetched from a network on its own', async () => {
  await assert.rejects(duckdb.rows("SELECT * FROM 'https://127.0.0.1:9/x.parquet'"), /httpfs|extension/i);
});

async function all(chunks: AsyncIterable<Chunk>): Promise<Chunk[]> {
  const found: Chunk[] = [];
  for await (const chunk of chunks) found.push(chunk);
  return found;
}
