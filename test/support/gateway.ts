/** The real gateway process for tests, on a store of its own; and, where models are told, on a real Temporal server. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { z } from 'zod';
import { createRetrain } from '../../activities/retrain/index.ts';
import type { AllActivities } from '../../contracts/activities.ts';
import type { Artifact } from '../../contracts/artifact.ts';
import { Batch, Drive, Driven, Heard } from '../../contracts/inbox.ts';
import { Project } from '../../contracts/project.ts';
import type { PinnedProject } from '../../contracts/project.ts';
import { forkModule } from '../../infra/child.ts';
import type { Child } from '../../infra/child.ts';
import { putJsonBlob, readJson } from '../../infra/store/json.ts';
import { openStore } from '../../infra/store/open.ts';
import type { Store } from '../../infra/store/store.ts';
import { project } from './stage.ts';
import type { World } from './world.ts';

export interface Started {
  child: Child;
  url: string;
  log: string[];
}

export interface GatewayPlace {
  root: string;
  store: Store;
  /** @returns once it listens. @param args beside its port */
  start(options?: { args?: string[]; env?: Record<string, string> }): Promise<Started>;
  remove(): Promise<void>;
}

/** @param temporal address of a server; nobody's, if absent. @param at the store; of files, if absent */
export async function makeGatewayPlace(temporal = '127.0.0.1:1', at?: string): Promise<GatewayPlace> {
  const root = await mkdtemp(join(tmpdir(), 'esteira-gateway-'));
  const uri = at ?? pathToFileURL(join(root, 'store')).href;
  const store = await openStore(uri, { cacheDir: join(root, 'cache') });
  const env = {
    ...{ ESTEIRA_HOME: root, ESTEIRA_STORE: uri, ESTEIRA_CACHE: join(root, 'cache') },
    ...{ TEMPORAL_ADDRESS: temporal, LOG_LEVEL: 'warn' },
  };
  return {
    root,
    store,
    async start({ args = [], env: own = {} } = {}) {
      const log: string[] = [];
      const child = forkModule(new URL('../../client/gateway/server.ts', import.meta.url), {
        args: ['--port', '0', ...args],
        env: { ...env, ...own },
        onText: (line) => log.push(line),
      });
      for await (const event of child.events)
        if (event['event'] === 'listening') return { child, url: String(event['url']), log };
      throw new Error(`the gateway did not start:\n${log.join('\n')}`);
    },
    async remove() {
      await store.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** A pinned project with these rules, as a run of it would have left it. */
export function pinned(
  store: Store,
  model: string,
  rules: z.input<typeof Project>['retrain'],
): Promise<Artifact> {
  const whole: PinnedProject = {
    project: Project.parse(project({ model, retrain: rules })),
    ...{ sql: 'SELECT 1', root: '/', gitCommit: null },
    ...{ gatesDigest: 'a'.repeat(64), policyDigest: 'b'.repeat(64) },
  };
  return putJsonBlob(store, whole);
}

/** Stand-ins that agree, with the real ledger of triggers. */
export function ledgered(world: World, store: Store): AllActivities {
  const { recordDisposition, findDisposition } = createRetrain({
    store,
  } as unknown as Parameters<typeof createRetrain>[0]);
  return { ...world.agreeable(), recordDisposition, findDisposition };
}

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into any answer
export type Answer = { status: number; body: any; headers: Headers };

export async function send(
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, body: await response.json(), headers: response.headers };
}

export async function get(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(url, { headers });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json');
  return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers };
}

export const cloudEvent = 'application/cloudevents+json';

/** In structured mode. */
export function tell(url: string, id: string, more: Record<string, unknown> = {}): Promise<Answer> {
  const event = { specversion: '1.0', id, source: 'plant', type: 'shift.ended', ...more };
  return send(`${url}/events`, event, { 'content-type': cloudEvent });
}

/** What the ledger took under this id: `shift.ended of plant`. */
export async function keptAs(store: Store, id: string): Promise<string> {
  for await (const { key } of store.list('inbox/log/')) {
    const { events } = (await readJson(store, key, Batch))!.value;
    const found = events.find(({ event }) => event.id === id)?.event;
    if (found) return `${found.type} of ${found.source}`;
  }
  throw new Error(`the ledger has no event ${id}`);
}

export interface LedgerLine {
  id: string;
  to: string[];
  /** By target: the trigger of the one drive that carries it. More than one would be a breach. */
  triggers: string[][];
}

/** I5 as the store has it: every accepted event, and the drives with a disposition that cover it. */
export async function readLedger(store: Store): Promise<LedgerLine[]> {
  const drives: (Drive & { target: string; driven: boolean })[] = [];
  for await (const { key } of store.list('inbox/drives/')) {
    const [, , model, kind] = key.split('/');
    const driven = await readJson(store, key.replace('/drives/', '/driven/'), Driven);
    drives.push({
      ...(await readJson(store, key, Drive))!.value,
      target: `${model}/${kind}`,
      driven: driven !== undefined,
    });
  }
  const lines: LedgerLine[] = [];
  for await (const { key } of store.list('inbox/log/')) {
    const { seq, events } = (await readJson(store, key, Batch))!.value;
    const heard = await readJson(store, key.replace('/log/', '/heard/'), Heard);
    for (const [i, { event, to: known }] of events.entries()) {
      const to = known ?? heard?.value.to[i] ?? null;
      if (to === null) {
        lines.push({ id: event.id, to: [], triggers: [[]] }); // nobody knows yet
        continue;
      }
      const triggers = to.map((target) =>
        drives
          .filter((one) => one.target === target && one.driven && one.after < seq && seq <= one.upTo)
          .map(({ trigger }) => trigger.id),
      );
      lines.push({ id: event.id, to, triggers });
    }
  }
  return lines;
}
