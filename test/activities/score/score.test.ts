/** The pure parts of batch scoring: how files become parts and batches, what a column must be, which S3 keys are meant. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { s3Input } from '../../../activities/score/inputs.ts';
import { misfitSql, outputColumns, refuseColumns, refuseMisfit } from '../../../activities/score/columns.ts';
import { batchesOf, partsOf } from '../../../activities/score/parts.ts';
import type { Signature } from '../../../contracts/serving.ts';

const input = (name: string, rows: number, columns = 5) => ({
  ...{ name, rows, columns, bytes: 1, sha256: 'a'.repeat(64) },
});
const signature: Signature = {
  task: 'multiclass-classification',
  inputs: [
    { name: 'x', datatype: 'FP64', shape: [-1] },
    { name: 'at', datatype: 'INT64', shape: [-1], kind: 'timestamp' },
    { name: 'city', datatype: 'BYTES', shape: [-1] },
  ],
  outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [-1, 3] }],
  classes: ['a', 'b', "c's"],
};
const columns = [
  { name: 'x', type: 'DECIMAL(9,2)' },
  { name: 'at', type: 'TIMESTAMP WITH TIME ZONE' },
  { name: 'city', type: "ENUM('A', 'B')" },
];

test('a file is one part, or parts of 131,072 rows; an empty one is a part, too', () => {
  const parts = partsOf([input('a/x.csv.gz', 0), input('y.parquet', 300_000)]);
  assert.deepEqual(
    parts.map(({ name, from, rows }) => [name, from, rows]),
    [
      ['a/x.parquet', 0, 0],
      ['y-00000.parquet', 0, 131_072],
      ['y-00001.parquet', 131_072, 131_072],
      ['y-00002.parquet', 262_144, 37_856],
    ],
  );
});

test('a part of wide rows has fewer of them', () => {
  const [first] = partsOf([input('wide.parquet', 300_000, 2_000)]);
  assert(first!.rows * 2_000 < 8.5e6, `${first!.rows} rows`);
});

test('two files that would become one are refused', () => {
  assert.throws(
    () => partsOf([input('a.csv', 1), input('a.parquet', 1)]),
    /a\.csv and a\.parquet would both become a\.parquet/,
  );
});

test('batches share evenly what there is, and cover each part once', () => {
  const parts = partsOf([input('y.parquet', 3_000_000)]);
  assert.deepEqual(batchesOf(parts, 2), [
    { from: 0, until: 12 },
    { from: 12, until: 23 },
  ]);
  const many = partsOf(Array.from({ length: 5_000 }, (_, i) => input(`${i}.csv`, 10)));
  const batches = batchesOf(many, 2);
  assert.deepEqual(
    batches.flatMap(({ from, until }) => Array.from({ length: until - from }, (_, i) => from + i)),
    many.map((_, i) => i),
  );
  assert(batches.every(({ from, until }) => until - from <= 1_000));
});

test('columns are taken by kind, whatever their width', () => {
  refuseColumns('f', columns, signature, {});
  const text = columns.map((one) => (one.name === 'x' ? { ...one, type: 'VARCHAR' } : one));
  assert.throws(
    () => refuseColumns('f', text, signature, {}),
    /column x of f is VARCHAR; the model takes numbers/,
  );
  assert.throws(
    () => refuseColumns('f', columns, signature, { keep: ['id'] }),
    /no column id, which is to be kept/,
  );
  const clash = [...columns, { name: 'class', type: 'VARCHAR' }];
  assert.throws(() => refuseColumns('f', clash, signature, {}), /has a column class, which scoring adds/);
  refuseColumns('f', clash, signature, { keep: ['x'] });
});

test('the earliest misfit is told, with its row and column', () => {
  assert.match(misfitSql(signature, 'rows')!, /TRY_CAST\("x" AS DOUBLE\)/);
  refuseMisfit('f', signature, { x: null, at: null });
  assert.throws(
    () => refuseMisfit('f', signature, { x: 9, at: 4 }),
    /row 4 of f has in column at what is none of the timestamps/,
  );
});

test('class probabilities bring the most probable class along', () => {
  const [all, best] = outputColumns(signature);
  assert.deepEqual([all!.name, best!.name], ['probabilities', 'class']);
  assert.match(best!.sql, /'c''s'/);
});

test('an S3 input is a folder, a file or a pattern', () => {
  const meant = (uri: string, ...keys: string[]) => {
    const { folder, takes } = s3Input(uri);
    return [folder, ...keys.filter(takes)];
  };
  assert.deepEqual(meant('s3://b/in?region=eu', 'a.csv'), ['s3://b/in?region=eu', 'a.csv']);
  assert.deepEqual(meant('s3://b/in/a.csv', 'a.csv', 'b.csv'), ['s3://b/in/', 'a.csv']);
  assert.deepEqual(meant('s3://b/in/2001-*/x.csv', '2001-01/x.csv', 'x.csv', '2001-01/y/x.csv'), [
    's3://b/in/',
    '2001-01/x.csv',
  ]);
  assert.deepEqual(meant('s3://b/**/x.csv', 'x.csv', 'a/b/x.csv'), ['s3://b/', 'x.csv', 'a/b/x.csv']);
});
