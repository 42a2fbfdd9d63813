/** The whole product for one test file: a real stack in a temporary home, real stages, tiny data. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import type { Esteira } from '../../client/index.ts';
import { openEsteira } from '../../client/session.ts';
import { startStack } from '../../client/stack.ts';
import type { Stack } from '../../client/stack.ts';
import type { StageName } from '../../contracts/stage.ts';
import type { Project } from '../../contracts/project.ts';
import { Slots, VersionRecord } from '../../contracts/serving.ts';
import { readConfig } from '../../infra/config.ts';
import type { Config } from '../../infra/config.ts';
import { openDuckDb } from '../../infra/duckdb.ts';
import { readJson } from '../../infra/store/json.ts';
import { anyPorts } from './ports.ts';
import { csv, january, project } from './stage.ts';
import { until } from './until.ts';

type ProjectText = z.input<typeof Project>;

export interface Belt {
  home: string;
  config: Config;
  stack: Stack;
  esteira: Esteira;
  /** Writes a project over 4,000 rows of January. @param rows instead of these, the whole CSV */
  project(model: string, change?: Partial<ProjectText>, rows?: string): Promise<string>;
  /** Asks for a lifecycle of January. @returns its id */
  start(folder: string): Promise<string>;
  /** Waits until the run's activity of this stage is being tried. @returns by which attempt */
  reached(lifecycleId: string, stage: StageName): Promise<number>;
  slots(model: string): Promise<Slots[]>;
  versions(model: string): Promise<VersionRecord[]>;
  /** Of all Parquet files below a prefix. */
  stored(prefix: string): Promise<Record<string, unknown>[]>;
  /** What stages left in the work folder. */
  leftovers(): Promise<string[]>;
  close(): Promise<void>;
}

/** @param environment over the one of this process */
export async function openBelt(environment: Record<string, string> = {}): Promise<Belt> {
  const home = await mkdtemp(join(tmpdir(), 'esteira-e2e-'));
  const own = { ESTEIRA_HOME: home, ESTEIRA_STORE: '', TEMPORAL_ADDRESS: '', ...anyPorts };
  const config = readConfig({ ...process.env, ...own, ...environment });
  const stack = await startStack(config);
  const esteira = await openEsteira(config);
  const { store } = esteira;
  return {
    ...{ home, config, stack, esteira },
    async project(model, change = {}, rows = csv(4_000)) {
      const folder = join(home, 'projects', model);
      await mkdir(folder, { recursive: true });
      const text: ProjectText = project({
        model,
        trainer: { backend: 'onnx', epochs: 2, batchSize: 128, seed: 1 },
        gates: { roc_auc: { min: 0.6 } },
        rollout: { steps: [] },
        reuse: false, // tests catch stages at work
        ...change,
      });
      await writeFile(join(folder, 'esteira.yaml'), JSON.stringify(text, null, 2)); // JSON is YAML
      await writeFile(join(folder, 'rows.csv'), rows);
      return folder;
    },
    async start(folder) {
      const answer = await esteira.run(folder, { by: 'ana', until: january.until });
      assert.equal(answer.status, 'started', JSON.stringify(answer));
      return answer.lifecycleId;
    },
    async reached(lifecycleId, stage) {
      let attempt: number | undefined;
      await until(async () => (attempt = await attemptOf(esteira, lifecycleId, stage)) !== undefined, 20);
      return attempt!;
    },
    slots: (model) => numbered(esteira, `models/${model}/slots/`, Slots),
    versions: (model) => numbered(esteira, `models/${model}/versions/`, VersionRecord),
    async stored(prefix) {
      const paths: string[] = [];
      for await (const { key } of store.list(prefix)) paths.push(await store.localKey(key));
      if (paths.length === 0) return [];
      const db = await openDuckDb({ memory: '256MB', threads: 1, spillDir: join(home, 'spill') });
      try {
        const list = paths.map((path) => `'${path}'`).join(', ');
        return await db.rows(`SELECT * FROM read_parquet([${list}], union_by_name = true)`);
      } finally {
        await db.close();
      }
    },
    leftovers: () => readdir(join(home, 'work')),
    async close() {
      await esteira.close();
      await stack.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** @returns undefined when no worker has the stage's activity now. @throws Error when the run has ended */
async function attemptOf(
  { client }: Esteira,
  lifecycleId: string,
  stage: StageName,
): Promise<number | undefined> {
  const { raw, status } = await client.workflow.getHandle(lifecycleId).describe();
  assert.equal(status.name, 'RUNNING', `${lifecycleId} ended before it could be caught in ${stage}`);
  const pending = raw.pendingActivities ?? [];
  const taken = pending.find(
    ({ activityType, state }) => activityType?.name === stage && Number(state) === started,
  );
  return taken && (taken.attempt ?? 1);
}

/** PENDING_ACTIVITY_STATE_STARTED of Temporal's API. */
const started = 2;

/** Numbered values below a prefix, in order. */
async function numbered<S extends z.ZodType>({ store }: Esteira, prefix: string, schema: S) {
  const found: { n: number; value: z.infer<S> }[] = [];
  for await (const { key } of store.list(prefix)) {
    const read = await readJson(store, key, schema);
    found.push({ n: Number(/(\d+)\.json$/.exec(key)![1]), value: read!.value });
  }
  return found.toSorted((a, b) => a.n - b.n).map(({ value }) => value);
}
