/**
 * Five hundred models that are watched every five minutes, on one machine: what server and worker take. They are asked of what
 * they were made of, but for one in twenty, whose data has drifted.
 */
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
    const logs = {
      usual: await logged(home, stack.servingUrl, 1),
      drifted: await logged(home, stack.servingUrl, 3),
    };
    const store = fileURLToPath(config.store);
    for (let i = 0; i < models; i++) {
      const model = `m${i}`;
      await createJson(esteira.store, `models/${model}/current.json`, { ...slots, model });
      const log = i % 20 === 0 ? logs.drifted : logs.usual;
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

const cities = ['ATL', 'DEN', 'JFK'];

/**
 * A log of the hours to come, as a replica would have written it.
 *
 * @param power that x, which is even from 0 to 1, is raised to
 */
async function logged(
  home: string,
  servingUrl: string,
  power: number,
): Promise<{ path: string; hours: string[] }> {
  const db = await openDuckDb({ memory: '256MB', threads: 1, spillDir: home });
  const path = join(home, `log-${power}.parquet`);
  const rows = Array.from({ length: 51 }, (_, i) => ({ x: ((i % 17) / 17) ** power, city: cities[i % 3]! }));
  const answers = await predictions(servingUrl, rows);
  const values = rows.map(({ x, city }, i) => `(${i}, '${x}', '${city}', ${answers[i]})`);
  const start = Math.floor(Date.now() / everyMs) * everyMs - everyMs;
  const windows = Math.ceil(30 / minutes);
  await db.run(
    `COPY (SELECT 'p' || i AS id, make_timestamp((${start} + i * ${everyMs / rowsEach}) * 1000) AS time, 1 AS version,
      'champion' AS route, 1.5 AS ms, 0.5 AS "queueMs", CAST(x AS DOUBLE) AS in_x, city AS in_city, CAST(answer AS FLOAT) AS out_probability
      FROM range(${windows * rowsEach}) t(i) JOIN (VALUES ${values.join(', ')}) AS asked(n, x, city, answer) ON n = i % 51)
      TO '${path}' (FORMAT parquet)`,
  );
  await db.close();
  const hours = new Set(
    Array.from({ length: windows }, (_, i) =>
      new Date(start + i * everyMs).toISOString().slice(0, 13).replace('T', '/'),
    ),
  );
  return { path, hours: [...hours] };
}

async function predictions(
  servingUrl: string,
  rows: readonly { x: number; city: string }[],
): Promise<number[]> {
  const url = `${servingUrl}/v2/models/m`;
  const { inputs } = (await (await fetch(url)).json()) as {
    inputs: { name: 'x' | 'city'; datatype: string }[];
  };
  const tensors = inputs.map(({ name, datatype }) => ({
    ...{ name, datatype, shape: [rows.length], data: rows.map((row) => row[name]) },
  }));
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${url}/infer`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ inputs: tensors }),
  });
  const { outputs, error } = (await answer.json()) as { outputs?: { data: number[] }[]; error?: string };
  if (!outputs) throw new Error(error);
  return outputs[0]!.data;
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
