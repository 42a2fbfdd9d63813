/** Parquet files that lie: about rows, columns, depth and where things are. Looked at before anything is allocated. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parquetOf } from './parquet-bytes.ts';
import { openSandbox } from './sandbox.ts';
import type { Sandbox } from './sandbox.ts';

let sandbox: Sandbox;
let real: Buffer;
before(async () => {
  sandbox = await openSandbox();
  const path = join(sandbox.bench.folder, 'real.parquet');
  const db = await sandbox.bench.deps.openDuckDb(sandbox.bench.folder);
  await db.run(`COPY (SELECT 'r' || i AS id, TIMESTAMP '2001-01-02' AS seen, i AS x, 'ATL' AS city, i % 2 AS y
    FROM range(2000) t(i)) TO '${path}' (FORMAT parquet)`);
  await db.close();
  real = await readFile(path);
});
after(() => sandbox.close());

const root = (children: number) => ({ name: 'schema', children });
const x = { name: 'x' };
const flat = [root(1), x];
const times = <T>(length: number, make: () => T) => Array.from({ length }, make);

/** The real file with some of its bytes others. */
function edited(edit: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(real);
  edit(bytes);
  return bytes;
}
const footerLength = (length: number) => edited((bytes) => bytes.writeUInt32LE(length, bytes.length - 8));

const cases: [string, () => Uint8Array, RegExp][] = [
  ['nothing', () => Buffer.alloc(0), /too short/],
  ['text', () => Buffer.from('id,seen,x,city,y\n1,2,3,4,5\n'), /does not end as a Parquet file/],
  ['a file cut in its footer', () => real.subarray(0, real.length - 20), /does not end as a Parquet file/],
  ['a file without its data', () => real.subarray(real.length - 200), /footer is larger than the file/],
  ['an encrypted footer', () => edited((bytes) => bytes.write('PARE', bytes.length - 4)), /does not end as/],
  ['a footer longer than the file', () => footerLength(2 ** 31), /footer is larger than the file/],
  ['a footer shorter than it is', () => footerLength(10), /cannot be read/],
  [
    'a trillion rows in two hundred bytes',
    () => parquetOf({ schema: flat, rows: 1e12, groups: [1e12] }),
    /1000000000000 rows or more; at most 1000000000/,
  ],
  [
    'a thousand row groups on the same bytes',
    () => parquetOf({ schema: flat, rows: 2e12, groups: Array<number>(1_000).fill(2e9) }),
    /2000000000000 rows or more/,
  ],
  [
    'rows that no row group has',
    () => parquetOf({ schema: flat, rows: 1e6 }),
    /footer says 1000000 rows, its row groups say 0/,
  ],
  [
    'fewer rows than its row groups',
    () => parquetOf({ schema: flat, rows: 1, groups: [1e6] }),
    /says 1 rows, its row groups say 1000000/,
  ],
  [
    'groups 1,000 deep',
    () => parquetOf({ schema: [...times(1_000, () => root(1)), x], rows: 0 }),
    /nest 1000 deep/,
  ],
  [
    'groups 100,000 deep',
    () => parquetOf({ schema: [...times(100_000, () => root(1)), x], rows: 0 }),
    /100001 columns or more|nest/,
  ],
  [
    '9,999 groups in one another',
    () => parquetOf({ schema: [...times(9_999, () => root(1)), x], rows: 0 }),
    /nest 9999 deep/,
  ],
  [
    '20,000 columns',
    () => parquetOf({ schema: [root(20_000), ...times(20_000, () => x)], rows: 0 }),
    /20001 columns or more/,
  ],
  [
    'two billion children, one there',
    () => parquetOf({ schema: [root(2e9), x], rows: 0 }),
    /Malformed Parquet schema/,
  ],
  ['a column that is nowhere', () => parquetOf({ schema: flat, rows: 10, groups: [10] }), /"seen" not found/],
];
for (const [what, content, says] of cases) {
  test(`refused: ${what}`, { timeout: 160_000 }, async () => {
    await sandbox.write('bad.parquet', content());
    const type = what === 'a column that is nowhere' ? 'QueryFailed' : 'UnreadableSource';
    await sandbox.refuses({ sources: { event: { path: 'bad.parquet' } } }, type, says);
  });
}

test('a file whose pages were damaged is refused when they are read', async () => {
  const change = { sources: { event: { path: 'bad.parquet' } } };
  await sandbox.write(
    'bad.parquet',
    edited((bytes) => bytes.fill(0xff, 4, 400)),
  );
  await assert.rejects(sandbox.ingest(change), /Error|fails|read/);
  await sandbox.write('bad.parquet', real);
  assert.equal((await sandbox.ingest(change)).rows, 2_000);
});
