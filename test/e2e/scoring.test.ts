/** Batch scoring on a real stack: each part once, whatever is killed; other inputs refused; bad rows named before anything is written. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { usableVersion } from '../../client/named.ts';
import { cancelScore, scoreLook, scoreOutcome, startScore } from '../../client/score.ts';
import type { ScoreOptions } from '../../client/score.ts';
import { ScoreManifest } from '../../contracts/score.ts';
import type { ScoreOutcome } from '../../contracts/score.ts';
import { openDuckDb } from '../../infra/duckdb.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { failpoints } from '../../infra/faults.ts';
import { score } from '../../infra/onnx/score.ts';
import { readJson } from '../../infra/store/json.ts';
import { openStore } from '../../infra/store/open.ts';
import { openBelt } from '../support/belt.ts';
import type { Belt } from '../support/belt.ts';
import { replayAll } from '../support/replay.ts';
import { startS3 } from '../support/s3.ts';
import { until } from '../support/until.ts';

const program = fileURLToPath(new URL('../../client/esteira.mjs', import.meta.url));
const s3 = await startS3();
let belt: Belt;
let db: DuckDb;
let root: string;
let faults: string;

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'esteira-scoring-'));
  faults = join(root, 'faults');
  await writeFile(faults, '');
  process.env['ESTEIRA_FAULT'] = `file:${faults}`;
  belt = await openBelt();
  db = await openDuckDb({ memory: '512MB', threads: 2, spillDir: join(root, 'spill') });
  await belt.esteira.outcome(await belt.start(await belt.project('m')));
  // Three parts of a file with many rows, and two files of one part each.
  await mkdir(join(root, 'in', 'more'), { recursive: true });
  const rows = `SELECT 'r' || i AS id, (i % 17) / 17 AS x, ['ATL', 'DEN', 'JFK'][1 + i % 3] AS city, i AS extra`;
  await db.run(
    `COPY (${rows} FROM range(300000) AS r(i)) TO '${join(root, 'in', 'many.parquet')}' (FORMAT parquet)`,
  );
  await db.run(
    `COPY (${rows} FROM range(1000) AS r(i)) TO '${join(root, 'in', 'more', 'few.csv')}' (FORMAT csv)`,
  );
  await db.run(`COPY (${rows} FROM range(10) AS r(i)) TO '${join(root, 'in', 'ten.json')}' (FORMAT json)`);
  await writeFile(join(root, 'in', '_notes.csv'), 'of,no,scoring\n');
});
after(async () => {
  delete process.env['ESTEIRA_FAULT'];
  await db.close();
  await belt.close();
  if (typeof s3 !== 'string') await s3.stop();
  await rm(root, { recursive: true, force: true });
});

async function scored(input: string, output: string, options: Partial<ScoreOptions> = {}) {
  const id = await startScore(belt.esteira, 'm@champion', input, output, { by: 'ana', ...options });
  return scoreOutcome(belt.esteira, id);
}

const names = ['many-00000', 'many-00001', 'many-00002', 'more/few', 'ten'].map((name) => `${name}.parquet`);

const filesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

async function manifestIn(output: string): Promise<ScoreManifest> {
  return ScoreManifest.parse(JSON.parse(await readFile(join(output, '_manifest.json'), 'utf8')));
}

/** Every row once, with the very predictions that the model gives by itself. */
async function assertWhole(output: string, outcome: ScoreOutcome): Promise<void> {
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

test('a folder of Parquet, CSV and JSON becomes one Parquet file a part, and a manifest', async () => {
  const output = join(root, 'plain');
  await assertWhole(output, await scored(join(root, 'in'), output));
  const again = await scored(join(root, 'in'), output);
  assert.equal(again.found, 5, 'asked for once more, it is there already');
  const kept = await db.rows(`DESCRIBE SELECT * FROM read_parquet('${output}/ten.parquet')`);
  assert.deepEqual(
    kept.map((one) => one['column_name']),
    ['id', 'x', 'city', 'extra', 'probability', 'model_version'],
  );
});

test('--keep leaves the named columns; a pattern and a single file are inputs, too', async () => {
  const output = join(root, 'kept');
  const { parts } = await scored(join(root, 'in', 'm*.parquet'), output, { keep: ['id'] });
  assert.equal(parts, 3);
  const kept = await db.rows(`DESCRIBE SELECT * FROM read_parquet('${output}/*.parquet')`);
  assert.deepEqual(
    kept.map((one) => one['column_name']),
    ['id', 'probability', 'model_version'],
  );
  assert.equal((await scored(join(root, 'in', 'more', 'few.csv'), join(root, 'single'))).rows, 1_000);
});

test(
  'the worker dies at every step, and every part is there once, to the same bytes',
  { timeout: 400_000 },
  async () => {
    const steps = failpoints.filter((point) => point.startsWith('score:'));
    await appendFile(faults, steps.map((point) => `${point}:kill@1\n`).join(''));
    const output = join(root, 'killed');
    await assertWhole(output, await scored(join(root, 'in'), output));
    const struck = (await readFile(`${faults}.struck`, 'utf8')).trimEnd().split('\n');
    assert.equal(struck.length, steps.length, struck.join(', '));
    const digests = async (folder: string) => (await manifestIn(folder)).parts.map(({ sha256 }) => sha256);
    assert.deepEqual(await digests(output), await digests(join(root, 'plain')));
  },
);

test('kill -9 midway costs a part: those that are written are found', { timeout: 200_000 }, async () => {
  await appendFile(faults, 'score:written:kill@2\n');
  const output = join(root, 'midway');
  const id = await startScore(belt.esteira, 'm', join(root, 'in'), output, { by: 'ana', parallel: 1 });
  const outcome = await scoreOutcome(belt.esteira, id);
  await assertWhole(output, outcome);
  assert(outcome.found >= 2, `${outcome.found} parts were found`);
});

test('other inputs are refused, and --overwrite deletes what the last scoring wrote', async () => {
  const output = join(root, 'taken');
  const few = join(root, 'in', 'more', 'few.csv');
  await scored(few, output);
  await assert.rejects(
    scored(join(root, 'in', 'ten.json'), output),
    /OutputTaken.*of other inputs.*ten\.json/s,
  );
  await assert.rejects(scored(few, output, { keep: ['id'] }), /OutputTaken.*keeps other columns/s);
  await scored(join(root, 'in', 'ten.json'), output, { overwrite: true });
  const files = (await readdir(output)).filter((name) => !name.startsWith('.'));
  assert.deepEqual(files.toSorted(), ['_manifest.json', '_plan.json', 'ten.parquet']);
  const strange = join(root, 'strange');
  await mkdir(strange);
  await writeFile(join(strange, 'few.parquet'), 'mine');
  await assert.rejects(
    scored(few, strange, { overwrite: true }),
    /OutputTaken.*few\.parquet, which is of no scoring/s,
  );
  assert.equal(await readFile(join(strange, 'few.parquet'), 'utf8'), 'mine');
});

test('bad input is named with file, row and column, and nothing is written', async () => {
  const bad = join(root, 'bad');
  await mkdir(bad);
  const cases: [name: string, text: string, sentence: RegExp][] = [
    [
      'words.csv',
      'id,x,city\na,1,ATL\nb,much,DEN\n',
      /BadRows: row 2 of words\.csv has in column x what is none of the numbers/,
    ],
    [
      'lacking.csv',
      'id,city\na,ATL\n',
      /MissingColumn: lacking\.csv has no column x, which the model takes; it has id, city/,
    ],
    [
      'ragged.csv',
      'id,x,city\na,1,ATL\nb,2\n',
      /UnreadableSource: ragged\.csv cannot be scored: .*[Ll]ine:? 3/,
    ],
    ['cut.parquet', 'PAR1', /UnreadableSource: cut\.parquet cannot be scored: it is too short/],
    [
      'words.json',
      '[{"x": 1, "city": "ATL"}, {"x": "much", "city": "ATL"}]',
      /BadRows: row 2 of words\.json .* column x/,
    ],
    [
      'taken.csv',
      'x,city,probability\n1,ATL,2\n',
      /InvalidInput: taken\.csv has a column probability, which scoring adds/,
    ],
  ];
  for (const [name, text, sentence] of cases) {
    const path = join(bad, name);
    const output = join(root, 'never', name);
    await writeFile(path, text);
    await assert.rejects(scored(path, output), (error: Error) => {
      assert.match(error.message, sentence);
      return true;
    });
    assert.deepEqual(await filesIn(output), []);
  }
  await db.run(`COPY (SELECT '1' AS x, 'ATL' AS city) TO '${join(bad, 'text.parquet')}' (FORMAT parquet)`);
  await assert.rejects(
    scored(join(bad, 'text.parquet'), join(root, 'never', 'p')),
    /column x of text\.parquet is VARCHAR; the model takes numbers/,
  );
  await assert.rejects(
    scored(join(root, 'nowhere', '*.csv'), join(root, 'never', 'n')),
    /UnreadableSource.*no \.parquet/,
  );
});

test(
  'a cancelled scoring stops, and goes on when it is asked for once more',
  { timeout: 200_000 },
  async () => {
    await appendFile(faults, 'score:written:slow@1\n');
    const output = join(root, 'cancelled');
    const id = await startScore(belt.esteira, 'm', join(root, 'in'), output, { by: 'ana', parallel: 1 });
    await until(async () => (await filesIn(output)).length > 2);
    assert.equal((await scoreLook(belt.esteira, id)).closed, false);
    await cancelScore(belt.esteira, id);
    await assert.rejects(scoreOutcome(belt.esteira, id), /was cancelled; the same command goes on/);
    assert.equal((await scored(join(root, 'in'), output)).rows, 301_010);
  },
);

test('the command says what it did: a sentence for people, JSON for machines, an exit code for scripts', async () => {
  const env = { ...process.env, ESTEIRA_HOME: belt.home, NO_COLOR: '1' };
  const esteira = (...words: string[]) =>
    promisify(execFile)(process.execPath, [program, 'score', ...words], { env, cwd: root });
  const said = await esteira('m@champion', 'in/more', 'by-command', '--keep', 'id');
  assert.match(said.stdout, /1,000 rows scored by m\/1 in .*: 1 part in .*by-command\n$/);
  const lines = (await esteira('m/1', 'in/more', 'by-command', '--keep', 'id', '--json')).stdout
    .trimEnd()
    .split('\n');
  const { outcome } = JSON.parse(lines.at(-1)!) as { outcome: ScoreOutcome };
  assert.deepEqual([outcome.rows, outcome.found], [1_000, 1]);
  const fails = (words: string[], code: number, sentence: RegExp) =>
    assert.rejects(esteira(...words), (error: { code: number; stderr: string }) => {
      assert.equal(error.code, code);
      assert.match(error.stderr, sentence);
      return true;
    });
  await fails(['m', 'in/more', 'by-command'], 1, /OutputTaken/);
  await fails(['m/9', 'in', 'never-made'], 1, /m has no version 9/);
  await fails(['m@challenger', 'in', 'never-made'], 1, /m has no challenger now/);
  await fails(['m', 'in', 'never-made', '--keep', ''], 2, /Give names of columns/);
});

test('from and to an S3 bucket', { skip: typeof s3 === 'string' ? s3 : false }, async () => {
  assert(typeof s3 !== 'string');
  const { endpoint } = s3;
  const place = (folder: string) => `s3://esteira-test/${folder}?endpoint=${encodeURIComponent(endpoint)}`;
  const bucket = await openStore(place('data'), { cacheDir: root });
  for (const name of ['many.parquet', 'more/few.csv', 'ten.json'])
    await bucket.createFromFile(name, join(root, 'in', name), 'application/octet-stream');
  await bucket.close();
  const outcome = await scored(place('data'), place('out'));
  assert.deepEqual([outcome.rows, outcome.parts], [301_010, 5]);
  const one = await scored(place('data/m*.parquet'), place('out-many'), { keep: ['id'] });
  assert.deepEqual([one.rows, one.parts], [300_000, 3]);
  const out = await openStore(place('out'), { cacheDir: root, readOnly: true });
  const manifest = await readJson(out, '_manifest.json', ScoreManifest);
  await out.close();
  assert.deepEqual(
    manifest!.value.parts.map(({ sha256 }) => sha256),
    (await manifestIn(join(root, 'plain'))).parts.map(({ sha256 }) => sha256),
  );
});

test('nothing is left in the store or the work folder, and every history replays', async () => {
  const kept: string[] = [];
  for await (const { key } of belt.esteira.store.list('scores/')) kept.push(key);
  assert.deepEqual([kept, await belt.leftovers()], [[], []]);
  assert((await replayAll(belt.esteira.client))['score']! > 0);
});
