/** `esteira drift` and `esteira profile` as a shell runs them: no project, no server. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../client/esteira.mjs', import.meta.url));
let folder: string;

function esteira(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

const csv = (name: string, lines: string[]) => writeFile(join(folder, name), `${lines.join('\n')}\n`);

/** @param at adds to the price. @param city of every third row */
const orders = (at: number, city: string) => [
  'price,city,at',
  ...Array.from(
    { length: 600 },
    (_, i) => `${(i % 97) / 10 + at},${i % 3 === 0 ? city : 'Porto'},2001-02-01`,
  ),
];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'esteira-drift-'));
  await csv('before.csv', orders(0, 'Lisboa'));
  await csv('same.csv', orders(0, 'Lisboa'));
  await csv('after.csv', orders(2, 'Faro'));
});
after(() => rm(folder, { recursive: true }));

const json = (text: string) => JSON.parse(text) as Record<string, unknown>;

test('what has not moved is no drift, exit code 0; what has is, exit code 3, by its rule', async () => {
  const same = await esteira('drift', '--reference', 'before.csv', '--current', 'same.csv', '--json');
  assert.equal(same.code, 0, same.stderr);
  assert.equal(json(same.stdout)['drifted'], false);
  const moved = await esteira('drift', '--reference', 'before.csv', '--current', 'after.csv', '--json');
  assert.equal(moved.code, 3, moved.stderr);
  const { columns, skipped } = json(moved.stdout) as { columns: Record<string, unknown>[]; skipped: unknown };
  assert.deepEqual(
    columns.map(({ name, drifted, rule }) => [name, drifted, rule]),
    [
      ['price', true, 'ks'],
      ['city', true, 'chi2'],
    ],
  );
  assert.deepEqual(columns[1]!['newCategories'], ['Faro']);
  assert.deepEqual(skipped, [{ name: 'at', why: 'DATE has no statistic' }]);
  const { stdout } = await esteira('drift', '--reference', 'before.csv', '--current', 'after.csv');
  assert.match(stdout, /2 of 2 columns drifted\./);
});

test('thresholds of one’s own decide instead, and strange ones are refused', async () => {
  const files = ['--reference', 'before.csv', '--current', 'after.csv'];
  const high = await esteira('drift', ...files, '--threshold', 'psi=100', '--json');
  assert.equal(high.code, 0, high.stderr);
  const one = await esteira(
    'drift',
    ...files,
    '--threshold',
    'psi=100',
    '--threshold',
    'city:tvd=0.1',
    '--json',
  );
  const { columns } = json(one.stdout) as { columns: Record<string, unknown>[] };
  assert.deepEqual(
    columns.map(({ name, rule }) => [name, rule]),
    [
      ['price', null],
      ['city', 'tvd'],
    ],
  );
  const strange = await esteira('drift', ...files, '--threshold', 'speed=1');
  assert.deepEqual(
    [strange.code, /speed=1 is no threshold such as psi=0\.2/.test(strange.stderr)],
    [2, true],
  );
  const nobody = await esteira('drift', ...files, '--threshold', 'prize:psi=1');
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /set for column prize, which is not compared; compared are price, city/);
});

test('a summary stands for its file, grows by merging, and compares with another', async () => {
  const made = await esteira('profile', 'before.csv', '--summary', 'before.json', '--json');
  assert.equal(made.code, 0, made.stderr);
  const exact = await esteira('drift', '--reference', 'before.csv', '--current', 'after.csv', '--json');
  const fast = await esteira('drift', '--reference', 'before.json', '--current', 'after.csv', '--json');
  const [one, other] = [json(exact.stdout), json(fast.stdout)];
  assert.deepEqual({ ...other, mode: 'exact', reference: one['reference'] }, one);
  await esteira('profile', 'same.csv', '--merge', 'before.json', '--summary', 'both.json');
  const both = await esteira('drift', '--reference', 'both.json', '--current', 'before.json', '--json');
  assert.equal(both.code, 0, both.stderr);
  assert.deepEqual(json(both.stdout)['reference'], { path: 'both.json', rows: 1_200 });
});

test('a profile says what a column holds', async () => {
  const { stdout } = await esteira('profile', 'before.csv', '--columns', 'price,city', '--json');
  const { columns } = json(stdout) as { columns: Record<string, unknown>[] };
  assert.deepEqual([columns[0]!['min'], columns[0]!['max'], columns[0]!['nulls']], [0, 9.6, 0]);
  assert.deepEqual([columns[0]!['distinct'], columns[1]!['distinct']], [97, 2]);
  assert.equal((columns[0]!['quantiles'] as Record<string, number>)['0.5'], 4.65);
  assert.deepEqual(columns[1]!['top'], [{ value: 'Porto', rows: 400 }, { value: 'Lisboa', rows: 200 }]); // prettier-ignore
});

test('a stream is followed from row to row', async () => {
  await csv('errors.csv', ['error', ...Array.from({ length: 900 }, (_, i) => (i < 600 ? Number(i % 5 === 0) : 1))]
    .map(String)); // prettier-ignore
  const follow = (...words: string[]) =>
    esteira('drift', '--stream', 'errors.csv', '--column', 'error', '--detector', ...words);
  const ran = await follow('ddm', '--json');
  assert.equal(ran.code, 3, ran.stderr);
  const [first] = (json(ran.stdout) as { detections: number[] }).detections;
  assert.ok(first! > 600 && first! < 650, `found at ${first}`);
  const { stdout } = await follow('adwin');
  assert.match(stdout, /adwin found drift at row \d+/);
});

test('what is wrong is one sentence with the file, the column and what would be right', async () => {
  await csv('text.csv', ['price,city', 'dear,Porto']);
  await csv('empty.csv', ['price,city']);
  await csv('ragged.csv', ['price,city', '1,Porto', '2,Porto,3']);
  await writeFile(join(folder, 'broken.json'), '{"summary":"esteira/1"');
  const wrong: [args: string[], sentence: RegExp][] = [
    [['--current', 'no.csv'], /no\.csv cannot be compared: there is no such file/],
    [['--current', 'before.xlsx'], /before\.xlsx .* its name says no format; \.parquet, \.csv/],
    [['--current', 'text.csv'], /text\.csv .*column price holds text there, and numbers in before\.csv/],
    [['--current', 'empty.csv'], /empty\.csv .*it has no rows/],
    [['--current', 'ragged.csv'], /ragged\.csv .*[Ll]ine/],
    [['--current', 'same.csv', '--columns', 'prize'], /before\.csv has no column prize; it has price, city/],
    [['--current', 'same.csv', '--columns', 'at'], /column at of before\.csv is of type DATE/],
    [['--current', 'broken.json'], /broken\.json .*it is no whole JSON/],
    [[], /say what to compare/],
  ];
  for (const [args, sentence] of wrong) {
    const { code, stderr } = await esteira('drift', '--reference', 'before.csv', ...args);
    assert.equal(code, 1, args.join(' '));
    assert.match(stderr, sentence);
    assert.equal(stderr.trim().split('\n').length, 1, stderr);
  }
  const stream = await esteira('drift', '--stream', 'before.csv', '--column', 'price', '--detector', 'ddm');
  assert.match(
    stream.stderr,
    /column price is 0\.1 in row 2; ddm looks at errors, 0 for right and 1 for wrong/,
  );
});
