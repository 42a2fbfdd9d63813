/** A belt with a model, and files for it to score: Parquet of three parts, CSV, JSON; and a file of faults. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { usableVersion } from '../../client/named.ts';
import { scoreOutcome, startScore } from '../../client/score.ts';
import type { ScoreOptions } from '../../client/score.ts';
import { ScoreManifest } from '../../contracts/score.ts';
import type { ScoreOutcome } from '../../contracts/score.ts';
import { openDuckDb } from '../../infra/duckdb.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { score } from '../../infra/onnx/score.ts';
import { openBelt } from './belt.ts';
import type { Belt } from './belt.ts';

export interface Scoring {
  belt: Belt;
  db: DuckDb;
  root: string;
  /** Of ESTEIRA_FAULT. */
  faults: string;
  scored(input: string, output: string, options?: Partial<ScoreOptions>): Promise<ScoreOutcome>;
  /** Every row of `in` once, with the very predictions that the model gives by itself, and nothing else. */
  assertWhole(output: string, outcome: ScoreOutcome): Promise<void>;
  /** That the store and the work folder are as before. */
  assertTidy(): Promise<void>;
  close(): Promise<void>;
}

const names = ['many-00000', 'many-00001', 'many-00002', 'more/few', 'ten'].map((name) => `${name}.parquet`);

export const filesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

export async function manifestIn(output: string): Promise<ScoreManifest> {
  return ScoreManifest.parse(JSON.parse(await readFile(join(output, '_manifest.json'), 'utf8')));
}

export async function openScoring(): Promise<Scoring> {
  const root = await mkdtemp(join(tmpdir(), 'esteira-scoring-'));
  const faults = join(root, 'faults');
  await writeFile(faults, '');
  process.env['ESTEIRA_FAULT'] = `file:${faults}`;
  const belt = await openBelt();
  const db = await openDuckDb({ memory: '512MB', threads: 2, spillDir: join(root, 'spill') });
  await belt.esteira.outcome(await belt.start(await belt.project('m')));
  await writeInputs(db, root);
  return {
    ...{ belt, db, root, faults },
    async scored(input, output, options = {}) {
      const id = await startScore(belt.esteira, 'm@champion', input, output, { by: 'ana', ...options });
      return scoreOutcome(belt.esteira, id);
    },
    assertWhole: (output, outcome) => assertWhole(belt, db, output, outcome),
    async assertTidy() {
      const kept: string[] = [];
      for await (const { key } of belt.esteira.store.list('scores/')) kept.push(key);
      assert.deepEqual([kept, await belt.leftovers()], [[], []]);
    },
    async close() {
      delete process.env['ESTEIRA_FAULT'];
      await db.close();
      await belt.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function writeInputs(db: DuckDb, root: string): Promise<void> {
  await mkdir(join(root, 'in', 'more'), { recursive: true });
  const rows = `SELECT 'r' || i AS id, (i % 17) / 17 AS x, ['ATL', 'DEN', 'JFK'][1 + i % 3] AS city, i AS extra`;
  const write = (count: number, name: string, format: string) =>
    db.run(`COPY (${rows} FROM range(${count}) AS r(i)) TO '${join(root, 'in', name)}' (FORMAT ${format})`);
  await write(300_000, 'many.parquet', 'parquet');
  await write(1_000, 'more/few.csv', 'csv');
  await write(10, 'ten.json', 'json');
  await writeFile(join(root, 'in', '_notes.csv'), 'of,no,scoring\n');
}

async function assertWhole(belt: Belt, db: DuckDb, output: string, outcome: ScoreOutcome): Promise<void> {
  assert.deepEqual([outcome.rows, outcome.parts, outcome.rowsWithoutPrediction], [301_010, 5, 0]);
  const manifest = await manifestIn(output);
  assert.deepEqual(
    manifest.parts.map(({ name }) => name),
    names,
  );
  const files = (await readdir(output, { recursive: true })).filter((name) => name.includes('.'));
  assert.deepEqual(
    files.toSorted(),
    ['_manifest.json', '_plan.json', ...names].toSorted(),
    'and nothing else',
  );
  const parquet = `read_parquet('${output}/**/*.parquet', filename = true)`;
  const [counted] = await db.rows<{ n: number; ids: number; versions: number; nulls: number }>(
    `SELECT count(*) AS n, count(DISTINCT id || filename) AS ids, sum(model_version) AS versions,
       count(*) - count(probability) AS nulls FROM ${parquet}`,
  );
  assert.deepEqual(counted, { n: 301_010, ids: 301_010, versions: 301_010, nulls: 0 });
  const some = await db.rows<{ x: number; city: string; extra: number; probability: number }>(
    `SELECT x, city, extra, probability FROM ${parquet} WHERE extra % 997 = 3`,
  );
  const made = (await usableVersion(belt.esteira, 'm')).package;
  const columns = { x: some.map(({ x }) => x), city: some.map(({ city }) => city) };
  const alone = await score(await belt.esteira.store.localPath(made.onnx), made.signature, columns);
  assert.deepEqual(
    some.map(({ probability }) => Math.fround(probability)),
    alone,
  );
}
