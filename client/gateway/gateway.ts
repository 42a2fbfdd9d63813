/**
 * A gateway: the ledger, its listeners and drives, and the doors to them, opened in the order that loses nothing and closed in
 * the other one.
 */
import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hostname } from 'node:os';
import type { AddressInfo } from 'node:net';
import type { Client } from '@temporalio/client';
import { Batch, Settled } from '../../contracts/inbox.ts';
import type { TriggerRequest } from '../../contracts/model.ts';
import type { Config } from '../../infra/config.ts';
import type { Logger } from '../../infra/log.ts';
import { Rates } from '../../infra/rates.ts';
import { notListening, unreadable } from '../../infra/start-faults.ts';
import { readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { modelsOf } from '../../infra/temporal.ts';
import { Esteira } from '../index.ts';
import { createApp } from './app.ts';
import { anybody, openCallers } from './callers.ts';
import { Counts, metricsText } from './counts.ts';
import { Drives } from './drives.ts';
import { Hearing } from './hearing.ts';
import { Inbox } from './inbox.ts';
import { batchKey, settledKey } from './keys.ts';
import { Labels } from './labels.ts';
import { Landing } from './landing.ts';
import { mergeDays } from './landing-days.ts';
import { Listeners } from './listeners.ts';
import { Packing } from './packing.ts';
import { startPolls } from './polls.ts';
import { dataRoutes } from './routes-data.ts';
import { eventRoutes } from './routes-events.ts';
import { operatorRoutes } from './routes-operators.ts';
import { peopleRoutes } from './routes-people.ts';
import { passwordsOf, readSettings } from './settings.ts';
import type { Settings } from './settings.ts';

export interface GatewayOptions {
  config: Config;
  client: Client;
  store: Store;
  log: Logger;
  host: string;
  port: number;
  /** Path of the settings; without, only this machine is listened to. */
  settings: string | undefined;
  servingUrl: string;
}

export interface Gateway {
  url: string;
  /** How to say that nobody has to prove anything, where that is so. */
  open: boolean;
  close(): Promise<void>;
}

const daysEveryMs = 3_600_000;
const listenersEveryMs = 10_000;
/** While it is not known who listens, and events wait for that. */
const unknownEveryMs = 1_000;
const sweepEveryMs = 5_000;
const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

/** @throws Error in words for whoever starts it */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { config, client, store, log, host, port, servingUrl } = options;
  const settings = options.settings === undefined ? undefined : await readSettings(options.settings);
  if (!settings && !loopback.has(host))
    throw new Error(
      `the host is ${host}, and anybody there could start trainings; say in --config <file> who may`,
    );
  const folder = options.settings === undefined ? '' : dirname(options.settings);
  const callers = settings ? await openCallers(settings, folder) : anybody;
  const passwords = settings ? await passwordsOf(settings, folder) : new Map<string, string>();
  const tls = settings?.tls && (await readTls(settings.tls));
  // Unique among processes: it names files, and tells whose a batch is.
  const by = `gateway-${hostname().replaceAll(/[^A-Za-z0-9]+/g, '-')}-${process.pid}-${randomInt(1e9)}`;
  const onError = (error: unknown, what: string) => log.warn({ err: error }, what);
  const listeners = new Listeners({ store, client, onError });
  await listeners.refresh();
  const trigger = (model: string, request: TriggerRequest) =>
    modelsOf(client).update(model, 'trigger', request, `trigger/${request.trigger.id}`);
  const drives = new Drives({ store, trigger, onError });
  const ledger = { store, listeners: listeners.of, onError };
  const read = async (seq: number) => (await readJson(store, batchKey(seq), Batch))!.value;
  const hearing = new Hearing({ ...ledger, read, onBatch: drives.note.bind(drives) });
  const from = (await readJson(store, settledKey, Settled))?.value.before ?? 0;
  const inbox = await Inbox.open({ ...ledger, by, onBatch: hearing.note.bind(hearing) }, from);
  const packing = new Packing(join(config.home, 'gateway'));
  await packing.sweep();
  const counts = new Counts();
  const rates = settings?.rate === undefined ? undefined : new Rates(settings.rate);
  const esteira = new Esteira(client, store, { home: config.home, servingUrl });
  const labels = new Labels({ store, packing, by });
  const landing = new Landing({ store, packing, declared: settings?.landing ?? {} });
  const app = createApp({ callers, counts, log, rates, ...(tls && { tls }) }, [
    ...eventRoutes({ inbox, hearing, drives, counts }),
    ...dataRoutes({ labels, landing, counts, log }),
    ...peopleRoutes(esteira, listeners),
    ...operatorRoutes({
      store,
      client,
      metrics: () => metricsText(counts, gaugesOf(inbox, hearing, drives)),
    }),
  ]);
  await app.listen({ host, port }).catch(notListening(host, port));
  const again = (ms: number, what: string, act: () => Promise<unknown>) =>
    setInterval(() => void act().catch((error: unknown) => onError(error, what)), ms);
  const timers = [
    again(listenersEveryMs, 'listeners are as they were', () => listeners.refresh()),
    again(unknownEveryMs, 'it is not known who listens', async () => {
      if (listeners.known) return;
      await listeners.refresh();
      await hearing.hear();
    }),
    again(sweepEveryMs, 'the ledger was not swept', () => sweep(inbox, hearing, drives)),
    again(daysEveryMs, 'days of pushed rows stay many files', () =>
      mergeDays(store, packing, new Date().toISOString()),
    ),
  ];
  const polls = startPolls(settings?.polls ?? {}, { config, inbox, counts, passwords, onError });
  const { port: listening } = app.server.address() as AddressInfo;
  const name = host.includes(':') ? `[${host}]` : host;
  return {
    url: `${tls ? 'https' : 'http'}://${name}:${listening}`,
    open: !settings,
    async close() {
      for (const timer of timers) clearInterval(timer);
      await polls.close();
      await app.close();
      await inbox.close();
      await drives.close();
      await drives.settle(hearing.heardBefore(inbox.next));
      await packing.close();
    },
  };
}

/** What others have accepted, and not driven, is driven here; and how far all is done is noted. */
async function sweep(inbox: Inbox, hearing: Hearing, drives: Drives): Promise<void> {
  await inbox.catchUp();
  await hearing.hear();
  await drives.settle(hearing.heardBefore(inbox.next));
}

function gaugesOf(inbox: Inbox, hearing: Hearing, drives: Drives) {
  const [told, held] = [drives.waiting, hearing.waiting];
  const events = told.events + held.events;
  const since = [told.since, held.since].filter((one) => one !== undefined).toSorted()[0];
  const oldest = since === undefined ? 0 : Math.max(0, (Date.now() - Date.parse(since)) / 1_000);
  return { waiting: events, oldestWaitingSeconds: oldest, ledgerEvents: inbox.events, queued: inbox.waiting };
}

async function readTls({ cert, key, clientCa }: NonNullable<Settings['tls']>) {
  return {
    cert: await readFile(cert).catch(unreadable('tls.cert', cert)),
    key: await readFile(key).catch(unreadable('tls.key', key)),
    ...(clientCa !== undefined && {
      ca: await readFile(clientCa).catch(unreadable('tls.clientCa', clientCa)),
    }),
  };
}
