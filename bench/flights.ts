/**
 * The flights example along the whole belt, on a month and on all half year of it: what each stage takes, and how
 * much memory; and what the data stages cost beside DuckDB alone doing the same SQL.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MockActivityEnvironment } from '@temporalio/testing';
import { parse, stringify } from 'yaml';
import { selectWindow } from '../activities/ingest/select.ts';
import { rowsPerPart } from '../activities/ingest/index.ts';
import { countingOf } from '../activities/validate/checks.ts';
import { profileOf } from '../activities/validate/profile.ts';
import type { Esteira } from '../client/index.ts';
import { openEsteira } from '../client/session.ts';
import { startStack } from '../client/stack.ts';
import type { Stack } from '../client/stack.ts';
import { DatasetManifest } from '../contracts/dataset.ts';
import { Project } from '../contracts/project.ts';
import type { Window } from '../contracts/artifact.ts';
import { readConfig } from '../infra/config.ts';
import type { Config } from '../infra/config.ts';
import { openDuckDb } from '../infra/duckdb.ts';
import { readJson } from '../infra/store/json.ts';
import { watchMemory } from './processes.ts';
import { atMost, just, timed } from './row.ts';
import type { Row } from './row.ts';

const example = fileURLToPath(new URL('../examples/flights/', import.meta.url));
export const data = fileURLToPath(
  new URL('../node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url),
);
export const cases = [
  { name: 'January', model: 'january', days: 31, until: '2001-02-01T00:00:00.000Z' },
  { name: 'half a year', model: 'half-year', days: 181, until: '2001-07-01T00:00:00.000Z' },
] as const;
type Case = (typeof cases)[number];

export async function flights(home: string): Promise<Row[]> {
  const config = readConfig({ ...process.env, ESTEIRA_HOME: home, ESTEIRA_STORE: '', TEMPORAL_ADDRESS: '' });
  const stack = await startStack(config);
  const esteira = await openEsteira(config);
  try {
    const rows: Row[] = [];
    for (const one of cases) rows.push(...(await measured(one, { config, stack, esteira })));
    return rows;
  } finally {
    await esteira.close();
    await stack.stop();
  }
}

async function measured(one: Case, on: { config: Config; stack: Stack; esteira: Esteira }): Promise<Row[]> {
  const { config, stack, esteira } = on;
  const { folder, project, sql } = await projectOf(one, config.home);
  const { temporal, worker } = stack.pids();
  const memory = watchMemory(() => [worker, ...(temporal ? [temporal] : [])]);
  const [done, whole] = await timed(() => stagesOf(esteira, folder, one));
  const { megabytes, command } = await memory.stop();

  const from = new Date(Date.parse(one.until) - one.days * 86_400_000).toISOString();
  const manifest = await datasetOf(esteira, one.model);
  const plain = await duckDbAlone(config, project, sql, { from, until: one.until }, manifest);
  const ours = done.get('ingest')! + done.get('validate')!;
  return [
    just(`${one.name}: the whole belt`, whole, 's'),
    ...[...done].map(([stage, seconds]) => just(`${one.name}: ${stage}`, seconds, 's')),
    just(`${one.name}: DuckDB alone`, plain, 's'),
    atMost(`${one.name}: ingest and validate over DuckDB alone`, ours / plain, '', 2),
    atMost(`${one.name}: heaviest process (${command})`, megabytes, 'MB', 1_500),
  ];
}

/** The example as it is, but under its own name, over its own window, and approved by policy. */
async function projectOf({ model, days }: Case, home: string) {
  const folder = join(home, 'projects', model);
  await mkdir(folder, { recursive: true });
  const sql = await readFile(join(example, 'flights.sql'), 'utf8');
  const text = {
    ...(parse(await readFile(join(example, 'esteira.yaml'), 'utf8')) as object),
    model,
    window: `${days}d`,
    sources: { flights: { path: data } },
    approval: { policy: 'auto' },
  };
  await writeFile(join(folder, 'flights.sql'), sql);
  await writeFile(join(folder, 'esteira.yaml'), stringify(text));
  return { folder, sql, project: Project.parse(text) };
}

/** Seconds by stage of one lifecycle, to its deployed end. */
export async function stagesOf(
  esteira: Esteira,
  folder: string,
  { until }: Pick<Case, 'until'>,
): Promise<Map<string, number>> {
  const answer = await esteira.run(folder, { by: 'bench', until });
  if (answer.status !== 'started') throw new Error(`not started: ${JSON.stringify(answer)}`);
  const outcome = await esteira.outcome(answer.lifecycleId);
  if (outcome.status !== 'deployed') throw new Error(`not deployed: ${JSON.stringify(outcome)}`);
  const { progress } = await esteira.look(answer.lifecycleId);
  return new Map(progress.done.map(({ stage, seconds }) => [stage, seconds]));
}

async function datasetOf({ store }: Esteira, model: string): Promise<DatasetManifest> {
  for await (const { key } of store.list(`datasets/${model}/`)) {
    const found = await readJson(store, key, DatasetManifest);
    if (found) return found.value;
  }
  throw new Error(`no dataset of ${model}`);
}

/** The query into a sorted table, its parts as Parquet, the checks counted in one scan, and the profile. */
async function duckDbAlone(
  { home, duckdb }: Config,
  { checks, time, key }: Project,
  sql: string,
  window: Window,
  manifest: DatasetManifest,
): Promise<number> {
  const db = await openDuckDb({ ...duckdb, spillDir: join(home, 'alone') });
  const parquet = join(home, 'alone.parquet');
  const [, seconds] = await timed(async () => {
    await db.run(`CREATE VIEW flights AS SELECT * FROM read_parquet('${data}')`);
    await db.run(`CREATE TABLE rows AS ${selectWindow(sql, window)} ORDER BY ${time}, ${key}`);
    await db.run(
      `COPY rows TO '${parquet}' (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE ${rowsPerPart})`,
    );
    await db.run(`CREATE VIEW dataset AS SELECT * FROM read_parquet('${parquet}')`);
    await db.rows(`SELECT ${checks.map((check) => countingOf(check, manifest).sql).join(', ')} FROM dataset`);
    await new MockActivityEnvironment().run(() => profileOf(db, manifest)); // its heartbeats go nowhere
  });
  await db.close();
  return seconds;
}
