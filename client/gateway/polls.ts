/**
 * Sources that must be asked: a place in a store, a resource by HTTP, a value in a database. What is found becomes an event
 * whose id follows from it, so that asking twice, or from two gateways, tells once. Nothing is kept but the ledger.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { durationMs } from '../../contracts/artifact.ts';
import type { GatewayEvent } from '../../contracts/inbox.ts';
import type { Config } from '../../infra/config.ts';
import { sha256 } from '../../infra/digest.ts';
import { unlessCode } from '../../infra/errno.ts';
import { openStore } from '../../infra/store/open.ts';
import type { Counts } from './counts.ts';
import type { Inbox } from './inbox.ts';
import type { Poll, Settings } from './settings.ts';
import { watermarkOf } from './watermark.ts';

export interface PollDeps {
  config: Config;
  inbox: Inbox;
  counts: Counts;
  /** Of databases, by the name of the poll. */
  passwords: ReadonlyMap<string, string>;
  onError(error: unknown, what: string): void;
}

const answerMs = 30_000;
/** Ids that this process has told of: the ledger is asked for others only. */
const rememberedAtMost = 1_000_000;

export function startPolls(polls: Settings['polls'], deps: PollDeps): { close(): Promise<void> } {
  const stop = new AbortController();
  const working = Object.entries(polls).map(([name, poll]) => keepAsking(name, poll, deps, stop.signal));
  return {
    async close() {
      stop.abort();
      await Promise.all(working);
    },
  };
}

async function keepAsking(name: string, poll: Poll, deps: PollDeps, signal: AbortSignal): Promise<void> {
  const told = new Set<string>();
  let failed = false;
  while (!signal.aborted) {
    try {
      for await (const event of found(name, poll, deps, told)) {
        const { status } = await deps.inbox.accept(`poll/${name}`, event);
        if (status === 'accepted') deps.counts.accepted.events++;
        if (told.size >= rememberedAtMost) told.clear();
        told.add(event.id);
        if (signal.aborted) break;
      }
      failed = false;
    } catch (error) {
      if (!failed) deps.onError(error, `the poll ${name} found nothing out`);
      failed = true;
    }
    await sleep(durationMs(poll.every), undefined, { signal, ref: false }).catch(unlessCode('ABORT_ERR'));
  }
}

function found(
  name: string,
  poll: Poll,
  deps: PollDeps,
  told: ReadonlySet<string>,
): AsyncIterable<GatewayEvent> {
  if ('prefix' in poll) return objects(poll.prefix, deps.config, told);
  return 'url' in poll ? resource(name, poll.url, told) : databaseValue(name, poll, deps, told);
}

/** Under its last folder, for a store is opened at a folder. */
async function* objects(
  prefix: string,
  config: Config,
  told: ReadonlySet<string>,
): AsyncIterable<GatewayEvent> {
  const [, place, query = ''] = /^([^?]+)(\?.*)?$/.exec(prefix)!;
  const cut = place!.lastIndexOf('/');
  const [folder, beginning] = [place!.slice(0, cut), place!.slice(cut + 1)];
  const store = await openStore(`${folder}${query}`, {
    cacheDir: join(config.cacheHome, 'artifacts'),
    readOnly: true,
  });
  try {
    for await (const { key, bytes, modifiedAt } of store.list(beginning)) {
      const id = sha256(`${key}\n${bytes}\n${modifiedAt.toISOString()}`);
      if (told.has(id)) continue;
      yield {
        ...{ id, source: folder, type: 'esteira.poll.object', subject: key, time: modifiedAt.toISOString() },
        data: { bytes },
      };
    }
  } finally {
    await store.close();
  }
}

/** The first answer counts, too: nobody knows since when it is so. */
async function* resource(name: string, url: string, told: ReadonlySet<string>): AsyncIterable<GatewayEvent> {
  const response = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(answerMs) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  const tag = response.headers.get('etag') ?? response.headers.get('last-modified');
  if (tag === null)
    throw new Error(`${url} has neither ETag nor Last-Modified; nobody can tell whether it is new`);
  const id = sha256(`${url}\n${tag}`);
  if (!told.has(id))
    yield {
      id,
      source: new URL(url).origin,
      type: 'esteira.poll.resource',
      subject: name,
      data: { url, tag: tag.slice(0, 500) },
    };
}

async function* databaseValue(
  name: string,
  { database, watermark }: Extract<Poll, { database: string }>,
  { config, passwords }: PollDeps,
  told: ReadonlySet<string>,
): AsyncIterable<GatewayEvent> {
  const watched = { database, watermark, password: passwords.get(name) };
  const value = await watermarkOf(watched, join(config.home, 'gateway', 'spill'));
  if (value === null) return;
  const id = sha256(`${database}\n${watermark}\n${value}`);
  if (!told.has(id))
    yield { id, source: database, type: 'esteira.poll.watermark', subject: name, data: { value } };
}
