/** The real server process for tests, with a home and a store of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { forkModule } from '../../infra/child.ts';
import type { Child } from '../../infra/child.ts';
import { openDuckDb } from '../../infra/duckdb.ts';
import { openStore } from '../../infra/store/open.ts';
import type { Store } from '../../infra/store/store.ts';

export interface ServerOptions {
  args?: string[];
  env?: Record<string, string>;
}

export interface Place {
  root: string;
  store: Store;
  /** @returns the server once it listens, and its URL. @param replica `one`, if absent */
  start(
    replica?: string,
    more?: ServerOptions,
  ): Promise<{
    child: Child;
    url: string;
    log: string[];
    /** All that it said when it listened. */
    event: Record<string, unknown>;
  }>;
  /** Rows of all Parquet files below a prefix, in order of `order`. */
  stored(prefix: string, order?: string): Promise<Record<string, unknown>[]>;
  remove(): Promise<void>;
}

/** @param at the store; one of files in the place's own folder, if absent */
export async function makePlace(at?: string): Promise<Place> {
  const root = await mkdtemp(join(tmpdir(), 'esteira-serving-'));
  const uri = at ?? pathToFileURL(join(root, 'store')).href;
  const store = await openStore(uri, { cacheDir: join(root, 'cache') });
  const env = {
    ESTEIRA_HOME: root,
    ESTEIRA_STORE: uri,
    ESTEIRA_CACHE: join(root, 'cache'),
    LOG_LEVEL: 'warn',
  };
  return {
    root,
    store,
    async start(replica = 'one', { args = [], env: own = {} } = {}) {
      const log: string[] = [];
      const child = forkModule(new URL('../../serving/server.ts', import.meta.url), {
        args: ['--port', '0', '--replica', replica, ...args],
        env: { ...env, ...own },
        onText: (line) => log.push(line),
      });
      for await (const event of child.events)
        if (event['event'] === 'listening') return { child, url: String(event['url']), log, event };
      throw new Error(`the server did not start:\n${log.join('\n')}`);
    },
    async stored(prefix, order = 'id') {
      const paths: string[] = [];
      for await (const { key } of store.list(prefix)) paths.push(await store.localKey(key));
      if (paths.length === 0) return [];
      const db = await openDuckDb({ memory: '512MB', threads: 1, spillDir: join(root, 'spill') });
      try {
        const list = paths.map((path) => `'${path}'`).join(', ');
        return await db.rows(`SELECT * FROM read_parquet([${list}], union_by_name = true) ORDER BY ${order}`);
      } finally {
        await db.close();
      }
    },
    async remove() {
      await store.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

export function inferBody(rows: number, extra: object = {}) {
  const column = (name: string, datatype: string, value: unknown) => ({
    name,
    datatype,
    shape: [rows],
    data: Array.from({ length: rows }, () => value),
  });
  return {
    ...extra,
    inputs: [
      column('delay', 'FP64', 0.5),
      column('carrier', 'BYTES', 'AA'),
      column('cargo', 'BOOL', false),
      column('at', 'INT64', 978_307_200_000),
    ],
  };
}

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into any answer
type Answer = { status: number; body: any };

export async function post(url: string, body: unknown): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}
