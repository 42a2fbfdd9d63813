/** A small belt for tests: a file store, a dataset from any SQL, a pinned project, and the stages as Temporal runs them. */
import { createHash } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { ColumnType } from '../../../contracts/dataset.ts';
import type { Input, Output } from '../../../contracts/lifecycle.ts';
import type { PinnedProject } from '../../../contracts/project.ts';
import { Project } from '../../../contracts/project.ts';
import { createPrepare } from '../../../activities/prepare/index.ts';
import { pythonEnvironment } from '../../../infra/python-environment.ts';
import type { LaunchDeps } from '../../../activities/train/launch.ts';
import { openDuckDb, quoteLiteral } from '../../../infra/duckdb.ts';
import { canonicalJson, putJsonBlob } from '../../../infra/store/json.ts';
import { openFileStore } from '../../../infra/store/file.ts';

export const flights = 'node_modules/vega-datasets/data/flights-3m.parquet';

export async function openBelt() {
  const folder = await mkdtemp(join(tmpdir(), 'esteira-stages-'));
  const store = await openFileStore(pathToFileURL(join(folder, 'store')).href);
  const openDb = (spillDir: string) => openDuckDb({ memory: '1GB', threads: 2, spillDir });
  const environment: LaunchDeps['pythonEnvironment'] = (order, say, signal) =>
    pythonEnvironment(join(folder, 'cache'), order, say, signal);
  return { folder, store, workDir: join(folder, 'work'), pythonEnvironment: environment, openDuckDb: openDb };
}
export type Belt = Awaited<ReturnType<typeof openBelt>>;

export const lifecycleId = 'lifecycle/tested/1';

const columnTypes: Record<string, ColumnType> = {
  DOUBLE: 'number',
  BIGINT: 'integer',
  VARCHAR: 'string',
  BOOLEAN: 'boolean',
  TIMESTAMP: 'timestamp',
};

/** What ingest would have made of `sql`, in parts of `partRows`. */
export async function datasetOf(belt: Belt, sql: string, project: Project, partRows = 122_880) {
  const db = await belt.openDuckDb(belt.folder);
  try {
    await db.run(`CREATE TABLE rows AS ${sql}`);
    const described = await db.rows<{ column_name: string; column_type: string }>('DESCRIBE rows');
    const columns = described.map(({ column_name, column_type }) => ({
      name: column_name,
      type: columnTypes[column_type]!,
    }));
    const [total] = await db.rows<{ n: number }>('SELECT count(*) AS n FROM rows');
    const parts = [];
    for (let from = 0; from < total!.n; from += partRows) {
      const rows = Math.min(partRows, total!.n - from);
      const path = join(belt.folder, 'dataset.parquet');
      const range = `rowid >= ${from} AND rowid < ${from + rows}`;
      await db.run(`COPY (SELECT * FROM rows WHERE ${range}) TO ${quoteLiteral(path)} (FORMAT parquet)`);
      parts.push({ artifact: await belt.store.putFile(path, 'application/vnd.apache.parquet'), rows });
    }
    const first = '2001-01-01T00:00:00.000Z';
    const { key, time, label } = project;
    const manifest = await putJsonBlob(belt.store, {
      ...{ name: 'tested', columns, key, time, label, rows: total!.n, parts, sources: [] },
      ...{ window: { from: first, until: first }, first, last: first, queryDigest: 'a'.repeat(64) },
    });
    return { name: 'tested', digest: manifest.sha256, manifest, rows: total!.n };
  } finally {
    await db.close();
  }
}

export function projectOf(change: Record<string, unknown>): Project {
  return Project.parse({
    model: 'tested',
    owner: 'ada',
    task: 'binary-classification',
    sources: {},
    query: 'SELECT 1',
    window: '30d',
    key: 'id',
    time: 'at',
    label: 'late',
    trainer: { backend: 'onnx' },
    gates: {},
    approval: { policy: 'auto' },
    ...change,
  });
}

export async function pin(belt: Belt, project: Project) {
  const pinned: PinnedProject = {
    project,
    sql: project.query,
    root: belt.folder,
    gitCommit: null,
    gatesDigest: createHash('sha256').update(canonicalJson(project.gates)).digest('hex'),
    policyDigest: 'b'.repeat(64),
  };
  return putJsonBlob(belt.store, pinned);
}

/** @returns the stage's input as it was and its output */
export async function prepared(belt: Belt, project: Project, sql: string, shuffleLabels?: boolean) {
  const dataset = await datasetOf(belt, sql, project);
  const input: Input<'prepare'> = { lifecycleId, project: await pin(belt, project), dataset };
  if (shuffleLabels) input.shuffleLabels = shuffleLabels;
  const { prepare } = createPrepare(belt);
  const output: Output<'prepare'> = await new MockActivityEnvironment().run(prepare, input);
  return { project: input.project, dataset, prepared: output };
}

/** January, as the demo has it: will a flight be 15 minutes late or more? */
export function flightsSql(from: string, until: string): string {
  return `SELECT row_number() OVER (ORDER BY date, origin, destination, delay, distance) AS id,
    CAST(date AS TIMESTAMP) AS at, CAST(distance AS BIGINT) AS distance, origin, destination, delay >= 15 AS late
    FROM ${quoteLiteral(flights)} WHERE date >= ${quoteLiteral(from)} AND date < ${quoteLiteral(until)}`;
}

export const flightFeatures = {
  distance: { log: true },
  hour: { from: 'at', part: 'hour', cyclic: true },
  weekday: { from: 'at', part: 'weekday', cyclic: true },
  minute: { from: 'at', part: 'minute' },
  origin: { encode: 'embedding', minCount: 5 },
  destination: { encode: 'embedding', minCount: 5 },
};
