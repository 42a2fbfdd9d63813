/**
 * `npm test`: types, lint, format, then every `.test.ts` under `test/`; each of the three counts as one test.
 *
 * `npm test -- store` runs only the test files whose path contains "store", and no checks.
 * The last line is always `N passed, N failed, N skipped`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const bin = (name) => `node_modules/.bin/${name}`;
const filters = process.argv.slice(2);
const totals = { pass: 0, fail: 0, skipped: 0 };

if (filters.length === 0) {
  check('types', bin('tsc'), '--noEmit');
  check('lint', bin('oxlint'), '--type-aware');
  check('format', bin('prettier'), '--check', '--log-level', 'warn', '.');
}
runTests(testFiles());
console.log(`\n${totals.pass} passed, ${totals.fail} failed, ${totals.skipped} skipped`);
process.exit(totals.fail === 0 && totals.pass > 0 ? 0 : 1);

function check(name, command, ...args) {
  const started = performance.now();
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 << 20 });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${status === 0 ? '✔' : '✖'} ${name} (${seconds} s)`);
  if (status !== 0) console.log(`${stdout ?? ''}${stderr ?? ''}`);
  totals[status === 0 ? 'pass' : 'fail']++;
}

function testFiles() {
  return readdirSync('test', { recursive: true })
    .map((path) => join('test', path))
    .filter((path) => path.endsWith('.test.ts') && filters.every((filter) => path.includes(filter)))
    .toSorted();
}

/** Node 20's runner takes no globs, and prints its totals only in its own words: a second reporter counts. */
function runTests(files) {
  if (files.length === 0) return;
  const folder = mkdtempSync(join(tmpdir(), 'esteira-test-'));
  const counts = join(folder, 'counts.json');
  const reporters = { spec: 'stdout', './infra/test-counts.mjs': counts };
  const flags = Object.entries(reporters).flatMap(([reporter, destination]) => [
    `--test-reporter=${reporter}`,
    `--test-reporter-destination=${destination}`,
  ]);
  const args = [
    '--import',
    './infra/child-loader.mjs',
    '--test',
    '--test-concurrency=3', // on two cores: a fourth makes none of them quicker
    '--test-timeout=1800000',
    ...flags,
    ...files,
  ];
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  const { pass, fail, skipped } = JSON.parse(readFileSync(counts, 'utf8'));
  rmSync(folder, { recursive: true });
  totals.pass += pass;
  totals.fail += fail === 0 && status !== 0 ? 1 : fail;
  totals.skipped += skipped;
}
