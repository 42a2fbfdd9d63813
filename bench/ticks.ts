/** Five hundred models that are watched every five minutes, on one machine: what server and worker take. */
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { openEsteira } from '../client/session.ts';
import { startStack } from '../client/stack.ts';
import type { Stack } from '../client/stack.ts';
import { Slots } from '../contracts/serving.ts';
import { readConfig } from '../infra/config.ts';
import { openDuckDb } from '../infra/duckdb.ts';
import { createJson, readJson } from '../infra/store/json.ts';
import { scheduleMonitor } from '../infra/temporal.ts';
import { csv } from '../test/support/stage.ts';
import { cpuSeconds, residentMb } from './processes.ts';
import { atMost, just } from './row.ts';
import type { Row } from './row.ts';

const models = Number(process.env['BENCH_MODELS'] ?? 500);
const minutes = Number(process.env['BENCH_MINUTES'] ?? 5);
const everyMs = minutes * 60_000;
/** Rows that each is asked for between two ticks. */
const rowsEach = Number(process.env['BENCH_ROWS'] ?? 200);

export async function ticks(home: string): Promise<Row[]> {
  const config = readConfig({ ...process.env, ESTEIRA_HOME: home, ESTEIRA_STORE: '', TEMPORAL_ADDRESS: '' });
  const stack = await startStack(config);
  const esteira = await openEsteira(config);
  try {
    const project = await projectIn(join(home, 'project'));
    const asked = await esteira.run(project, { by: 'bench', until: '2001-02-01T00:00:00.000Z' });
    if (asked.status !== 'started') throw new Error(JSON.stringify(asked));
    const { status } = await esteira.outcome(asked.lifecycleId);
    if (status !== 'deployed') throw new Error(`the model to copy is ${status}`);
    await esteira.client.schedule.getHandle('monitor/m').delete();
    const slots = (await readJson(esteira.store, 'models/m/current.json', Slots))!.value;
    const log = await logged(home);
    const store = fileURLToPath(config.store);
    for (let i = 0; i < models; i++) {
      const model = `m${i}`;
      await createJson(esteira.store, `models/${model}/current.json`, { ...slots, model });
      for (const hour of log.hours) {
        const folder = join(store, 'predictions', model, hour);
        await mkdir(folder, { recursive: true });
        await copyFile(log.path, join(folder, 'r1-1.parquet'));
      }
      await scheduleMonitor(esteira.client, model, everyMs);
    }
    await settled(store, models);
    return await measured(stack, store);
  } finally {
    await esteira.close();
    await stack.stop();
  }
}

/** A round, so that what a first tick takes is behind. */
async function settled(store: string, many: number): Promise<void> {
  while ((await ticked(store)) < many) await sleep(2_000);
}

async function ticked(store: string): Promise<number> {
  const folders = await readdir(join(store, 'monitor')).catch(() => []);
  let ticks = 0;
  for (const folder of folders) ticks += (await readdir(join(store, 'monitor', folder))).length;
  return ticks;
}

async function measured(stack: Stack, store: string): Promise<Row[]> {
  const { worker, temporal } = stack.pids();
  const pids = [worker, temporal!];
  const before = [await ticked(store), ...(await Promise.all(pids.map(cpuSeconds)))] as const;
  await sleep(everyMs);
  const after = [await ticked(store), ...(await Promise.all(pids.map(cpuSeconds)))] as const;
  const [done, ofWorker, ofServer] = after.map((value, i) => value - before[i]!) as [number, number, number];
  const share = (seconds: number) => (seconds / everyMs) * 1e5;
  const memory = await Promise.all(pids.map(residentMb));
  return [
    just(`${models} models with ${rowsEach} rows a window, ticks in ${minutes} minutes`, done, ''),
    just('processor time a tick, worker', (ofWorker / done) * 1_000, 'ms'),
    just('processor time a tick, server', (ofServer / done) * 1_000, 'ms'),
    atMost('worker and server, of one core', share(ofWorker + ofServer), '%', 50),
    just(
      `memory: worker ${memory[0]!.toFixed(0)} + server ${memory[1]!.toFixed(0)}`,
      memory[0]! + memory[1]!,
      'MB',
    ),
  ];
}

async function projectIn(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'rows.csv'), csv(4_000));
  await writeFile(join(folder, 'esteira.yaml'), yaml);
  return folder;
}

/** A log of the hours to come, as a replica would have written it. */
async function logged(home: string): Promise<{ path: string; hours: string[] }> {
  const db = await openDuckDb({ memory: '256MB', threads: 1, spillDir: home });
  const path = join(home, 'log.parquet');
  const start = Math.floor(Date.now() / everyMs) * everyMs - everyMs;
  const windows = Math.ceil(30 / minutes);
  await db.run(
    `COPY (SELECT 'p' || i AS id, make_timestamp((${start} + i * ${everyMs / rowsEach}) * 1000) AS time, 1 AS version,
      'champion' AS route, 1.5 AS ms, 0.5 AS "queueMs", ((i * 37) % 100) / 100 AS in_x, ['ATL', 'DEN', 'JFK'][i % 3 + 1] AS in_city,
      CAST(((i * 37) % 100) / 100 AS FLOAT) AS out_probability FROM range(${windows * rowsEach}) t(i)) TO '${path}' (FORMAT parquet)`,
  );
  await db.close();
  const hours = new Set(
    Array.from({ length: windows }, (_, i) =>
      new Date(start + i * everyMs).toISOString().slice(0, 13).replace('T', '/'),
    ),
  );
  return { path, hours: [...hours] };
}

const yaml = `model: m
owner: bench
task: binary-classification
sources: { event: { path: rows.csv } }
query: SELECT * FROM event WHERE seen >= $from AND seen < $until
window: 31d
key: id
time: seen
label: y
features: { x: {}, city: { encode: one-hot } }
trainer: { backend: onnx, epochs: 3 }
gates: { log_loss: { max: 0.9 } }
approval: { policy: auto }
rollout: { strategy: all-at-once }
monitor: { every: ${minutes}m, labelDelay: ${minutes}m, minRows: 50 }
`;
