/** Batch scoring on a real stack: one Parquet file a part; other inputs refused; bad rows named before anything is written. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ScoreManifest } from '../../contracts/score.ts';
import type { ScoreOutcome } from '../../contracts/score.ts';
import { readJson } from '../../infra/store/json.ts';
import { openStore } from '../../infra/store/open.ts';
import { replayAll } from '../support/replay.ts';
import { startS3 } from '../support/s3.ts';
import { filesIn, manifestIn, openScoring } from '../support/scoring.ts';
import type { Scoring } from '../support/scoring.ts';

const program = fileURLToPath(new URL('../../client/esteira.mjs', import.meta.url));
const s3 = await startS3();

let on: Scoring;
before(async () => (on = await openScoring()));
after(async () => {
  await on.close();
  if (typeof s3 !== 'string') await s3.stop();
});

test('a folder of Parquet, CSV and JSON becomes one Parquet file a part, and a manifest', async () => {
  const output = join(on.root, 'plain');
  await on.assertWhole(output, await on.scored(join(on.root, 'in'), output));
  const again = await on.scored(join(on.root, 'in'), output);
  assert.equal(again.found, 5, 'asked for once more, it is there already');
  const kept = await on.db.rows(`DESCRIBE SELECT * FROM read_parquet('${output}/ten.parquet')`);
  assert.deepEqual(
    kept.map((one) => one['column_name']),
    ['id', 'x', 'city', 'extra', 'probability', 'model_version'],
  );
});

test('--keep leaves the named columns; a pattern and a single file are inputs, too', async () => {
  const output = join(on.root, 'kept');
  const { parts } = await on.scored(join(on.root, 'in', 'm*.parquet'), output, { keep: ['id'] });
  assert.equal(parts, 3);
  const kept = await on.db.rows(`DESCRIBE SELECT * FROM read_parquet('${output}/*.parquet')`);
  assert.deepEqual(
    kept.map((one) => one['column_name']),
    ['id', 'probability', 'model_version'],
  );
  assert.equal(
    (await on.scored(join(on.root, 'in', 'more', 'few.csv'), join(on.root, 'single'))).rows,
    1_000,
  );
});

test('other inputs are refused, and --overwrite deletes what the last scoring wrote', async () => {
  const output = join(on.root, 'taken');
  const few = join(on.root, 'in', 'more', 'few.csv');
  await on.scored(few, output);
  await assert.rejects(
    on.scored(join(on.root, 'in', 'ten.json'), output),
    /OutputTaken.*of other inputs.*ten\.json/s,
  );
  await assert.rejects(on.scored(few, output, { keep: ['id'] }), /OutputTaken.*keeps other columns/s);
  await on.scored(join(on.root, 'in', 'ten.json'), output, { overwrite: true });
  const files = (await readdir(output)).filter((name) => !name.startsWith('.'));
  assert.deepEqual(files.toSorted(), ['_manifest.json', '_plan.json', 'ten.parquet']);
  const strange = join(on.root, 'strange');
  await mkdir(strange);
  await writeFile(join(strange, 'few.parquet'), 'mine');
  await assert.rejects(
    on.scored(few, strange, { overwrite: true }),
    /OutputTaken.*few\.parquet, which is of no scoring/s,
  );
  assert.equal(await readFile(join(strange, 'few.parquet'), 'utf8'), 'mine');
});

test('bad input is named with file, row and column, and nothing is written', async () => {
  const bad = join(on.root, 'bad');
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
    const output = join(on.root, 'never', name);
    await writeFile(path, text);
    await assert.rejects(on.scored(path, output), (error: Error) => {
      assert.match(error.message, sentence);
      return true;
    });
    assert.deepEqual(await filesIn(output), []);
  }
  await on.db.run(`COPY (SELECT '1' AS x, 'ATL' AS city) TO '${join(bad, 'text.parquet')}' (FORMAT parquet)`);
  await assert.rejects(
    on.scored(join(bad, 'text.parquet'), join(on.root, 'never', 'p')),
    /column x of text\.parquet is VARCHAR; the model takes numbers/,
  );
  await assert.rejects(
    on.scored(join(on.root, 'nowhere', '*.csv'), join(on.root, 'never', 'n')),
    /UnreadableSource.*no \.parquet/,
  );
});

test('the command says what it did: a sentence for people, JSON for machines, an exit code for scripts', async () => {
  const env = { ...process.env, ESTEIRA_HOME: on.belt.home, NO_COLOR: '1' };
  const esteira = (...words: string[]) =>
    promisify(execFile)(process.execPath, [program, 'score', ...words], { env, cwd: on.root });
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
  const bucket = await openStore(place('data'), { cacheDir: on.root });
  for (const name of ['many.parquet', 'more/few.csv', 'ten.json'])
    await bucket.createFromFile(name, join(on.root, 'in', name), 'application/octet-stream');
  await bucket.close();
  const outcome = await on.scored(place('data'), place('out'));
  assert.deepEqual([outcome.rows, outcome.parts], [301_010, 5]);
  const one = await on.scored(place('data/m*.parquet'), place('out-many'), { keep: ['id'] });
  assert.deepEqual([one.rows, one.parts], [300_000, 3]);
  const out = await openStore(place('out'), { cacheDir: on.root, readOnly: true });
  const manifest = await readJson(out, '_manifest.json', ScoreManifest);
  await out.close();
  assert.deepEqual(
    manifest!.value.parts.map(({ sha256 }) => sha256),
    (await manifestIn(join(on.root, 'plain'))).parts.map(({ sha256 }) => sha256),
  );
});

test('nothing is left in the store or the work folder, and every history replays', async () => {
  await on.assertTidy();
  assert((await replayAll(on.belt.esteira.client))['score']! > 0);
});
