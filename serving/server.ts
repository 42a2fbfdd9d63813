/**
 * The prediction server, a process to start: `server.ts [--model <name>]… [--replica <name>] [--port <n>]`.
 *
 * Wires config → store → journals → replica → HTTP, tells on stdout where it listens (one JSON line), and on
 * SIGTERM or SIGINT ends in the order that loses nothing: not ready, last answers, journals shipped.
 */
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from '../infra/config.ts';
import { failpoint } from '../infra/failpoint.ts';
import { sweepFolder } from '../infra/local.ts';
import { createLogger } from '../infra/log.ts';
import { openStore } from '../infra/store/open.ts';
import { openDoors, stopOnSignal } from './listen.ts';
import { loadSettings } from './loaded-version.ts';
import { metricsText } from './metrics.ts';
import { Rejects } from './rejects.ts';
import { Replica } from './replica.ts';
import { Shipper } from './shipper.ts';
import { openThreadedConverter } from './threaded-converter.ts';
import { fail } from '../infra/start-faults.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', multiple: true, default: [] },
    replica: { type: 'string' },
    port: { type: 'string' },
    'grpc-port': { type: 'string' },
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
  openConverter: () => openThreadedConverter({ memory: '256MB', threads: 1, spillDir }),
});
await shipper.recover();
const settings = loadSettings(config.serving);
const serving = new Replica({
  ...{ store, log, shipper, folder, replica, models: values.model },
  ...{ settings, logBytes: config.serving.logBytes },
});
const rejects = new Rejects();
const doors = await openDoors(
  {
    ...{ catalogue: serving, log, rejects },
    metrics: () => metricsText(serving, shipper, rejects),
    labels: (model, lines, rows) => serving.labels(model).append((to) => to.bare(lines), rows),
  },
  { ...config.serving, port, ...(values['grpc-port'] && { grpcPort: Number(values['grpc-port']) }) },
).catch(fail);
const { url } = doors;
await failpoint('serving:listening');
await serving.start(url);
stopOnSignal(doors, log, {
  drain: () => serving.drain(),
  async close() {
    await serving.close();
    await store.close();
  },
});

// Only now: who reads this may end us the next moment.
const { close: _, ...listening } = doors;
console.log(JSON.stringify({ event: 'listening', replica, ...listening }));
log.info({ url, store: store.uri }, 'serving');
