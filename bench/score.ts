/**
 * Batch scoring beside a plain script that does the same with onnxruntime and DuckDB, over the same Parquet parts: three
 * million flights in eleven files. Wall time from the command to the last byte, starts of processes included.
 */
import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Esteira } from '../client/index.ts';
import { usableVersion } from '../client/named.ts';
import { scoreOutcome, startScore } from '../client/score.ts';
import { openEsteira } from '../client/session.ts';
import { startStack } from '../client/stack.ts';
import { readConfig } from '../infra/config.ts';
import { openDuckDb } from '../infra/duckdb.ts';
import { data, stagesOf } from './flights.ts';
import { atMost, just, median, timed } from './row.ts';
import type { Row } from './row.ts';

const rowsPerFile = 272_730;
const runs = 3;

export async function score(home: string): Promise<Row[]> {
  const config = readConfig({ ...process.env, ESTEIRA_HOME: home, ESTEIRA_STORE: '', TEMPORAL_ADDRESS: '' });
  const stack = await startStack(config);
  const esteira = await openEsteira(config);
  try {
    await stagesOf(esteira, await project(home), { until: '2001-02-01T00:00:00.000Z' });
    const files = await parts(home);
    const raw: { seconds: number; answering: number }[] = [];
    const ours: number[] = [];
    let rows = 0;
    // In turns, so that a busy moment of the machine meets both.
    for (let run = 0; run < runs; run++) {
      const by = await byHand(home, esteira, files);
      raw.push(by);
      rows = by.rows;
      ours.push(await byEsteira(home, esteira));
    }
    const [plain, whole] = [median(raw.map(({ seconds }) => seconds)), median(ours)];
    const answering = median(raw.map((one) => one.answering));
    return [
      just(`${rows} flights, by hand: reading, scoring, writing`, rows / plain, 'rows/s'),
      just(`${rows} flights, by hand: onnxruntime alone`, rows / answering, 'rows/s'),
      just(`${rows} flights, esteira score`, rows / whole, 'rows/s'),
      atMost('esteira score over the script by hand, wall time', whole / plain, '', 2),
      just('esteira score over onnxruntime alone, wall time', whole / answering, ''),
    ];
  } finally {
    await esteira.close();
    await stack.stop();
  }
}

/** January's flights as they are in the file: no history to compute, for that would be no part of scoring. */
async function project(home: string): Promise<string> {
  const folder = join(home, 'project');
  await mkdir(folder, { recursive: true });
  const text = {
    ...{ model: 'raw-flights', owner: 'bench', task: 'binary-classification', window: '31d' },
    sources: { flights: { path: data } },
    query: `SELECT row_number() OVER () AS id, date, distance, origin, destination, delay > 15 AS late
      FROM flights WHERE date >= $from AND date < $until`,
    ...{ key: 'id', time: 'date', label: 'late' },
    features: {
      distance: { scale: 'standard' },
      origin: { encode: 'one-hot' },
      destination: { encode: 'one-hot' },
    },
    trainer: { backend: 'onnx', hidden: [32], epochs: 1, batchSize: 1_024, seed: 1 },
    ...{ gates: {}, approval: { policy: 'auto' }, rollout: { steps: [] } },
  };
  await writeFile(join(folder, 'esteira.yaml'), JSON.stringify(text));
  return folder;
}

async function parts(home: string): Promise<string[]> {
  const folder = join(home, 'in');
  await mkdir(folder);
  const db = await openDuckDb({ memory: '1GB', threads: 2, spillDir: join(home, 'spill') });
  const files: string[] = [];
  try {
    for (let from = 0; from < 3_000_000; from += rowsPerFile) {
      const path = join(folder, `part-${String(files.length).padStart(2, '0')}.parquet`);
      await db.run(`COPY (SELECT * EXCLUDE (file_row_number) FROM read_parquet('${data}', file_row_number = true)
        WHERE file_row_number >= ${from} AND file_row_number < ${from + rowsPerFile}) TO '${path}' (FORMAT parquet)`);
      files.push(path);
    }
  } finally {
    await db.close();
  }
  return files;
}

async function byHand(home: string, esteira: Esteira, files: readonly string[]) {
  const made = (await usableVersion(esteira, 'raw-flights')).package;
  const to = join(home, 'by-hand');
  await mkdir(to);
  const request = join(home, 'by-hand.json');
  const work = {
    model: await esteira.store.localPath(made.onnx),
    files: files.map((path, i) => ({ path, to: join(to, `${i}.parquet`) })),
    ...{ numbers: ['distance'], texts: ['origin', 'destination'], output: 'probability' },
  };
  await writeFile(request, JSON.stringify(work));
  const script = fileURLToPath(new URL('score-raw.ts', import.meta.url));
  const [{ stdout }, seconds] = await timed(() =>
    promisify(execFile)(process.execPath, ['--import', 'tsx', script, request]),
  );
  await rm(to, { recursive: true });
  return { seconds, ...(JSON.parse(stdout) as { rows: number; answering: number }) };
}

async function byEsteira(home: string, esteira: Esteira): Promise<number> {
  const output = join(home, 'by-esteira');
  const [, seconds] = await timed(async () => {
    const scoreId = await startScore(esteira, 'raw-flights', join(home, 'in'), output, { by: 'bench' });
    await scoreOutcome(esteira, scoreId);
  });
  await rm(output, { recursive: true });
  return seconds;
}
