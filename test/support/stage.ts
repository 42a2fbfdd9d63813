/** A store, a work folder and a pinned project in a temporary folder, and stages run as activities. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { LaunchDeps } from '../../activities/train/launch.ts';
import type { Artifact } from '../../contracts/artifact.ts';
import { Project } from '../../contracts/project.ts';
import type { PinnedProject } from '../../contracts/project.ts';
import type { z } from 'zod';
import { sha256 } from '../../infra/digest.ts';
import { openDuckDb } from '../../infra/duckdb.ts';
import { pythonEnvironment } from '../../infra/python-environment.ts';
import { openStore } from '../../infra/store/open.ts';
import { canonicalJson, putJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';

export interface Bench {
  folder: string;
  store: Store;
  deps: {
    store: Store;
    workDir: string;
    pythonEnvironment: LaunchDeps['pythonEnvironment'];
    openDuckDb(spillDir: string): ReturnType<typeof openDuckDb>;
    log: { warn(about: object, message: string): void };
    findLifecycle(): Promise<null>;
  };
  /** Writes a file into the project's folder. */
  write(name: string, text: string): Promise<string>;
  pin(project: z.input<typeof Project>): Promise<Artifact>;
  /** Calls an activity as a worker would. */
  run<I, O>(activity: (input: I) => Promise<O>, input: I): Promise<O>;
  close(): Promise<void>;
}

export async function openBench(): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'esteira-bench-'));
  const store = await openStore(pathToFileURL(join(folder, 'store')).href, {
    cacheDir: join(folder, 'cache'),
  });
  return {
    folder,
    store,
    deps: {
      store,
      workDir: join(folder, 'work'),
      pythonEnvironment: (order, say, signal) => pythonEnvironment(join(folder, 'cache'), order, say, signal),
      openDuckDb: (spillDir) => openDuckDb({ memory: '256MB', threads: 2, spillDir }),
      log: { warn: () => {} },
      findLifecycle: async () => null,
    },
    async write(name, text) {
      await writeFile(join(folder, name), text);
      return join(folder, name);
    },
    async pin(raw) {
      const project = Project.parse(raw);
      const pinned: PinnedProject = {
        project,
        sql: project.query,
        root: folder,
        gitCommit: null,
        gatesDigest: sha256(canonicalJson(project.gates)),
        policyDigest: 'b'.repeat(64),
      };
      return putJsonBlob(store, pinned);
    },
    run: (activity, input) => new MockActivityEnvironment().run(activity, input) as never,
    async close() {
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A project over `rows.csv` with columns id, seen, x, city, y; a test changes what it is about. */
export function project(change: Partial<z.input<typeof Project>> = {}): z.input<typeof Project> {
  return {
    model: 'm',
    owner: 'ana',
    task: 'binary-classification',
    sources: { event: { path: 'rows.csv' } },
    query: 'SELECT * FROM event WHERE seen >= $from AND seen < $until',
    window: '31d',
    key: 'id',
    time: 'seen',
    label: 'y',
    features: { x: {}, city: { encode: 'one-hot' } },
    trainer: { backend: 'onnx' },
    gates: {},
    approval: { policy: 'auto' },
    ...change,
  };
}

export const january = { from: '2001-01-01T00:00:00.000Z', until: '2001-02-01T00:00:00.000Z' };

/** `count` rows, one every ten minutes of January; `y` follows `x`. */
export function csv(count: number, extra: string[] = []): string {
  const rows = Array.from({ length: count }, (_, i) => {
    const at = new Date(Date.parse(january.from) + i * 600_000).toISOString().slice(0, 19).replace('T', ' ');
    return `r${i},${at},${(i % 17) / 17},${['ATL', 'DEN', 'JFK'][i % 3]},${i % 17 > 8 ? 1 : 0}`;
  });
  return `id,seen,x,city,y\n${[...rows, ...extra].join('\n')}\n`;
}
