/**
 * Two tables of a million rows and 20 columns compared: every statistic of ours, beside Evidently's tests of the same
 * statistics, and of the one that it takes of a large column by default, on the same files. Processor time of whole processes, and the most memory they held.
 *
 * `BENCH_ROWS=10000000 npm run bench -- drift` for more rows, where Evidently is left out: it would need 12 GB.
 */
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openDuckDb } from '../infra/duckdb.ts';
import { installed } from './peers.ts';
import { atLeast, atMost, just } from './row.ts';
import type { Row } from './row.ts';

const rows = Number(process.env['BENCH_ROWS'] ?? 1_000_000);
const evidentlyAtMost = 1_000_000;

interface Took {
  found: Record<string, number>;
  seconds: number;
  megabytes: number;
}

export async function drift(home: string): Promise<Row[]> {
  const reference = await made(home, 'reference', 0);
  const current = await made(home, 'current', 0.05);
  const summary = join(home, 'summary.json');
  const peers =
    rows <= evidentlyAtMost
      ? {
          one: await evidently(reference, current, 'default'),
          all: await evidently(reference, current, 'all'),
        }
      : undefined;
  const exact = await ours({ reference, current, fast: false });
  const fast = await ours({ reference, current, fast: true });
  const kept = await ours({ reference, current, fast: true, summary });
  const stored = await ours({ reference: summary, current, fast: true });
  const tick = {
    scanned: await ours({ reference, current, fast: true, warm: true }),
    stored: await ours({ reference: summary, current, fast: true, warm: true }),
  };
  const { size } = await stat(summary);
  const took = `${rows} × 20 against as many`;
  return [
    just(`${took}: exact, processor time`, exact.seconds, 's'),
    atMost(`${took}: exact, memory`, exact.megabytes, 'MB', 450),
    just(`${took}: one scan, processor time`, fast.seconds, 's'),
    atMost(`${took}: one scan, memory`, fast.megabytes, 'MB', 450),
    just(`${took}: a summary, of ${Math.round(size / 1_024)} KB, made`, kept.seconds, 's'),
    just(`${took}: against a stored summary`, stored.seconds, 's'),
    just('one scan over exact, largest relative difference', farthest(fast.found, exact.found), ''),
    just(`${took}: one scan, in a process that has compared before`, tick.scanned.seconds, 's'),
    just(`${took}: against a stored summary, as a worker’s tick`, tick.stored.seconds, 's'),
    atLeast('one scan over a stored summary', tick.scanned.seconds / tick.stored.seconds, '×', 2),
    ...(peers ? beside(peers, exact, fast) : []),
  ];
}

function beside({ one, all }: { one: Took; all: Took }, exact: Took, fast: Took): Row[] {
  return [
    just('Evidently 0.7.23, the same statistics, processor time', all.seconds, 's'),
    just('Evidently 0.7.23, its default of one a column, processor time', one.seconds, 's'),
    just('Evidently 0.7.23, memory', all.megabytes, 'MB'),
    atLeast(
      'Evidently over exact, the same statistics, processor time',
      all.seconds / exact.seconds,
      '×',
      3.5,
    ),
    atLeast(
      'Evidently over one scan, the same statistics, processor time',
      all.seconds / fast.seconds,
      '×',
      12,
    ),
    just('Evidently’s one a column over exact', one.seconds / exact.seconds, '×'),
    just('Evidently’s one a column over one scan', one.seconds / fast.seconds, '×'),
    atMost('exact over Evidently, largest relative difference', farthest(exact.found, one.found), '', 1e-9),
  ];
}

/** The largest relative difference of two findings. */
function farthest(one: Record<string, number>, other: Record<string, number>): number {
  return Math.max(...Object.keys(other).map((name) => Math.abs(one[name]! - other[name]!) / other[name]!));
}

async function ours(request: Record<string, unknown>): Promise<Took> {
  const script = fileURLToPath(new URL('drift-once.ts', import.meta.url));
  return run(process.execPath, ['--import', 'tsx', script, JSON.stringify(request)]);
}

function evidently(reference: string, current: string, tests: 'default' | 'all'): Promise<Took> {
  const bin = installed('evidently', ['evidently==0.7.23', 'scipy==1.17.1', 'pandas<3', 'pyarrow']);
  const script = fileURLToPath(new URL('peers/drift_evidently.py', import.meta.url));
  return run(join(bin, 'python3'), [script, reference, current, tests]);
}

async function run(command: string, args: string[]): Promise<Took> {
  const { stdout } = await promisify(execFile)(command, args);
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Took;
}

/** 15 columns of floats (normal, log-normal, uniform), one of whole numbers, four of text. @param moved by so much */
async function made(home: string, name: string, moved: number): Promise<string> {
  const path = join(home, `${name}.parquet`);
  const db = await openDuckDb({ memory: '512MB', threads: 2, spillDir: join(home, 'spill') });
  const normal = 'sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())';
  const floats = Array.from({ length: 5 }, (_, i) => [
    `${normal} + ${moved * i} AS normal${i}`,
    `exp(${normal}) * ${1 + moved * i} AS lognormal${i}`,
    `random() * ${1 + moved * i} AS uniform${i}`,
  ]).flat();
  const texts = [3, 50, 500, 5_000].map(
    (kinds) => `'v' || CAST(floor(random() * random() * ${kinds}) AS INTEGER) AS text${kinds}`,
  );
  try {
    await db.rows(`SELECT setseed(${moved === 0 ? 0.1 : 0.2})`);
    await db.run(
      `COPY (SELECT ${floats.join(', ')}, CAST(floor(random() * ${1_000 * (1 + moved)}) AS INTEGER) AS whole,
        ${texts.join(', ')} FROM range(${rows})) TO '${path}' (FORMAT parquet)`,
    );
  } finally {
    await db.close();
  }
  return path;
}
