/**
 * The prediction server, a process to start: `server.ts [--model <name>]… [--replica <name>] [--port <n>]`.
 *
 * Wires config → store → journals → replica → HTTP, tells on stdout where it listens (one JSON line), and on
 * SIGTERM or SIGINT ends in the order that loses nothing: not ready, last answers, journals shipped.
 */
import { mkdir } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from '../infra/config.ts';
import { openDuckDb } from '../infra/duckdb.ts';
import { failpoint } from '../infra/failpoint.ts';
import { sweepFolder } from '../infra/local.ts';
import { createLogger } from '../infra/log.ts';
import { openStore } from '../infra/store/open.ts';
import { createApp } from './app.ts';
import { Replica } from './replica.ts';
import { Shipper } from './shipper.ts';

/** Balancers poll readiness about this often; what they send until then is still answered. */
const drainMs = 250;

const { values } = parseArgs({
  options: {
    model: { type: 'string', multiple: true, default: [] },
    replica: { type: 'string' },
    port: { type: 'string' },
  },
});
const config = readConfig();
const port = values.port === undefined ? config.serving.port : Number(values.port);
// The same name after a restart, so that journals of a killed predecessor are found and shipped.
const replica = (values.replica ?? `${hostname()}-${port}`)
  .replaceAll(/[^A-Za-z0-9-]/g, '-')
  .replace(/^-+/, '');
const log = createLogger(config, { process: 'serving', replica });
const folder = join(config.home, 'serving', replica);
await mkdir(folder, { recursive: true });

const store = await openStore(config.store, { cacheDir: join(config.cacheHome, 'artifacts') });
await store
  .sweep()
  .catch((error: unknown) =>
    log.warn({ err: error }, 'what killed processes left in the store lies there still'),
  );
const spillDir = join(folder, 'spill');
await sweepFolder(spillDir);
const shipper = new Shipper({
  store,
  log,
  folder,
  replica,
  // Some thousand rows at a time, beside requests that must not wait.
  openDuckDb: () => openDuckDb({ memory: '256MB', threads: 1, spillDir }),
});
await shipper.recover();
const serving = new Replica({ store, log, shipper, folder, replica, models: values.model });
const app = createApp(serving, shipper, log);
await app.listen({ host: config.serving.host, port });
const { port: listening } = app.server.address() as AddressInfo;
const url = `http://${config.serving.host}:${listening}`;
await failpoint('serving:listening');
await serving.start(url);

let stopping = false;
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    stop().catch((error: unknown) => {
      log.fatal({ err: error }, 'the server could not stop cleanly; journals stay on disk');
      process.exit(1); // half stopped, it would neither serve nor make room for its successor
    });
  });
}

// Only now: who reads this may end us the next moment.
console.log(JSON.stringify({ event: 'listening', url, replica }));
log.info({ url, store: store.uri }, 'serving');

async function stop(): Promise<void> {
  log.info('stopping');
  serving.drain();
  await failpoint('serving:draining');
  await new Promise((resolve) => setTimeout(resolve, drainMs));
  await app.close();
  await serving.close();
  await store.close();
}
