/** Sides that are empty, missing, constant or infinite, and summaries beside exact statistics. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { compareTables } from '../../../activities/monitor/comparison/compare.ts';
import { compareSummaries, mergeSummaries } from '../../../activities/monitor/comparison/fast.ts';
import { summarise } from '../../../activities/monitor/comparison/summarise.ts';
import { openTable } from '../../../activities/monitor/comparison/table.ts';
import type { Compared } from '../../../contracts/drift.ts';
import { openDuckDb } from '../../../infra/duckdb.ts';
import type { DuckDb } from '../../../infra/duckdb.ts';

let folder: string;
let db: DuckDb;
let files = 0;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'esteira-edges-'));
  db = await openDuckDb({ memory: '256MB', threads: 2, spillDir: join(folder, 'spill') });
});
after(async () => {
  await db.close();
  await rm(folder, { recursive: true });
});

/** @param x in SQL, `i` is the row */
async function table(rows: number, x: string) {
  const path = join(folder, `${files++}.parquet`);
  await db.run(`COPY (SELECT ${x} AS x FROM range(${rows}) AS t(i)) TO '${path}' (FORMAT parquet)`);
  return openTable(db, path, folder);
}

const compare = async (reference: [number, string], current: [number, string]) =>
  (await compareTables(db, { reference: await table(...reference), current: await table(...current) }))
    .columns[0]!;

/** A shuffled permutation of rows, without random numbers: evenly spread over [0, 1). */
const even = '((i * 7919) % 100003) / 100003.0';

test('a column that is gone is drift, though no statistic can be taken', async () => {
  const gone = await compare([50, 'i / 7'], [50, 'NULL::DOUBLE']);
  assert.deepEqual([gone.psi, gone.ks, gone.wassersteinNormed], [null, null, null]);
  assert.deepEqual(gone.nullShare, { reference: 0, current: 1 });
  assert.equal(gone.rule, 'nullShare');
  const many = await compare([30_000, even], [30_000, `CASE WHEN i < 0 THEN 1.5 END`]);
  assert.deepEqual([many.psi, many.rule], [null, 'nullShare']);
  const text = await compare([50, `'a'`], [50, 'NULL::VARCHAR']);
  assert.deepEqual([text.chi2, text.rule], [null, 'nullShare']);
  const never = await compare([50, 'NULL::DOUBLE'], [50, 'NULL::DOUBLE']);
  assert.deepEqual([never.drifted, never.why], [false, 'a side has no values to compare']);
});

test('numbers that are rarer than a sample sees are compared nevertheless', async () => {
  const rare = `CASE WHEN i % 40 = 1 THEN ${even} END`;
  const found = await compare([600_000, rare], [600_000, rare]);
  assert.deepEqual([found.used, found.psi], [{ reference: 15_000, current: 15_000 }, 0]);
});

test('infinite numbers are a share of their own, and of no statistic', async () => {
  const some = `CASE WHEN i % 10 = 0 THEN 'inf'::DOUBLE WHEN i % 10 = 1 THEN 'nan'::DOUBLE ELSE ${even} END`;
  for (const rows of [200, 30_000]) {
    const found = await compare([rows, even], [rows, some]);
    assert.deepEqual(found.infiniteShare, { reference: 0, current: 0.1 });
    assert.deepEqual(found.nullShare, { reference: 0, current: 0.1 });
    assert.ok(found.wasserstein! < 0.1, `${found.wasserstein}`);
  }
});

test('numbers out of range and values never seen are shares of the current side', async () => {
  const beyond = await compare([30_000, even], [30_000, `CASE WHEN i % 4 = 0 THEN -5.0 ELSE ${even} END`]);
  assert.equal(beyond.outOfRangeShare, 0.25);
  const unseen = await compare(
    [100, `'a'`],
    [100, `CASE WHEN i < 30 THEN 'b' WHEN i < 40 THEN 'c' ELSE 'a' END`],
  );
  assert.equal(unseen.newCategoryShare, 0.4);
  assert.deepEqual(unseen.newCategories, ['b', 'c']);
});

test('many rows that share a number, huge numbers and tiny ones', async () => {
  const spike = `CASE WHEN i % 2 = 0 THEN 0.25 ELSE ${even} END`;
  const one = await compare([40_000, spike], [40_000, spike]);
  assert.deepEqual([one.ks, one.wasserstein, one.psi], [{ statistic: 0, pValue: 1 }, 0, 0]);
  const huge = await compare([30_000, `${even} * 1e300`], [30_000, `${even} * 1e300 + 1e299`]);
  assert.ok(Math.abs(huge.wasserstein! / 1e299 - 1) < 1e-9, `${huge.wasserstein}`);
  const tiny = await compare([30_000, `${even} * 1e-300`], [30_000, `${even} * 1e-300 + 1e-301`]);
  assert.ok(Math.abs(tiny.wasserstein! / 1e-301 - 1) < 1e-9, `${tiny.wasserstein}`);
  const least = await table(30_000, `${even} * 1e-310`);
  assert.equal((await compareTables(db, { reference: least, current: least })).columns[0]!.ks!.statistic, 0);
  const [column] = (await summarise(db, least, least.columns)).columns;
  assert.deepEqual([column!.nulls, column!.counts.reduce((sum, n) => sum + n, 0)], [0, 30_000]);
});

function near(fast: Compared, exact: Compared) {
  const off = (name: string, ours: number, theirs: number, most: number) =>
    assert.ok(Math.abs(ours - theirs) <= most, `${name}: ${ours} is not near ${theirs}`);
  off('wassersteinNormed', fast.wassersteinNormed!, exact.wassersteinNormed!, 0.001);
  off('ks', fast.ks!.statistic, exact.ks!.statistic, 0.0005);
  for (const name of ['psi', 'klDivergence', 'jensenShannon', 'hellinger'] as const)
    off(name, fast[name]!, exact[name]!, 0.001);
}

const shapes: [name: string, reference: string, current: string][] = [
  ['even', even, `${even} * 1.1`],
  ['far from zero', `1e6 + ${even}`, `1e6 + ${even} + 0.05`],
  ['skewed', `1 / (${even} + 0.001)`, `1.1 / (${even} + 0.001)`],
];
for (const [name, reference, current] of shapes)
  test(`a summary is near: ${name}`, async () => {
    const tables = { reference: await table(90_000, reference), current: await table(80_000, current) };
    const [exact] = (await compareTables(db, tables)).columns;
    const one = await summarise(db, tables.reference, tables.reference.columns);
    const other = await summarise(db, tables.current, tables.current.columns, one);
    near(compareSummaries({ reference: one, current: other }, 'x'), exact!);
  });

test('a summary counts what is missing and infinite, and knows the ends of the others exactly', async () => {
  const x = `CASE WHEN i % 10 = 0 THEN 'inf'::DOUBLE WHEN i % 10 = 1 THEN 'nan'::DOUBLE WHEN i % 10 = 2 THEN NULL
    WHEN i = 3 THEN -700.125 WHEN i = 4 THEN 1234.5 ELSE ${even} END`;
  const some = await table(30_000, x);
  const [column] = (await summarise(db, some, some.columns)).columns;
  assert.ok(column?.kind === 'number' && column.layout);
  assert.deepEqual([column.infinite, column.nulls, column.min, column.max], [3_000, 6_000, -700.125, 1234.5]);
  assert.equal(
    column.counts.reduce((sum, n) => sum + n, 0),
    21_000,
  );
  assert.deepEqual(
    column.at,
    column.at.toSorted((a, b) => a - b),
  );
});

test('summaries of parts merge to the summary of the whole', async () => {
  const halves = [await table(40_000, even), await table(40_000, `${even} + 3`)] as const;
  const one = await summarise(db, halves[0], halves[0].columns);
  const other = await summarise(db, halves[1], halves[1].columns, one);
  const both = await table(
    80_000,
    `CASE WHEN i < 40000 THEN ${even} ELSE (((i - 40000) * 7919) % 100003) / 100003.0 + 3 END`,
  );
  const whole = await summarise(db, both, both.columns, one);
  const merged = mergeSummaries(one, other);
  assert.deepEqual(merged.columns, whole.columns);
  assert.equal(merged.rows, 80_000);
});

test('summaries in other bins do not compare, and say what would', async () => {
  const [a, b] = [await table(40_000, even), await table(40_000, `${even} + 3`)];
  const sides = { reference: await summarise(db, a, a.columns), current: await summarise(db, b, b.columns) };
  assert.throws(() => compareSummaries(sides, 'x'), /column x is in other bins on each side; .*--like/);
});
