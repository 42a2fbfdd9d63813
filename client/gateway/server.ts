/**
 * The gateway, a process to start: `server.ts [--port <n>] [--host <address>] [--config <file>]`. Tells on stdout where it
 * listens (one JSON line). It may be killed at any moment: what it has answered for is in the store.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { readConfig } from '../../infra/config.ts';
import { createLogger } from '../../infra/log.ts';
import { fail } from '../../infra/start-faults.ts';
import { openStore } from '../../infra/store/open.ts';
import { located, servingUrl } from '../session.ts';
import { openGateway } from './gateway.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    host: { type: 'string', default: '127.0.0.1' },
    config: { type: 'string' },
  },
});
const config = await located(readConfig()).catch(fail);
const log = createLogger(config, { process: 'gateway' });
const store = await openStore(config.store, { cacheDir: join(config.cacheHome, 'artifacts') }).catch(fail);
await store
  .sweep()
  .catch((error: unknown) =>
    log.warn({ err: error }, 'what killed processes left in the store lies there still'),
  );
// Lazily: events are taken while Temporal is away, and wait in the ledger.
const connection = Connection.lazy(config.temporal.connection);
const gateway = await openGateway({
  ...{ config, store, log, settings: values.config, servingUrl: await servingUrl(config) },
  client: new Client({ connection, namespace: config.temporal.namespace }),
  ...{ host: values.host, port: Number(values.port ?? config.gatewayPort) },
}).catch(fail);

let stopping = false;
const stop = async () => {
  if (stopping) return;
  stopping = true;
  await gateway.close();
  await connection.close();
  await store.close();
  process.exit(0); // an update that no worker answers would hold it open
};
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => {
    stop().catch((error: unknown) => {
      log.fatal({ err: error }, 'the gateway could not stop cleanly; the ledger is whole');
      process.exit(1);
    });
  });

// Only now: who reads this may end us the next moment.
console.log(JSON.stringify({ event: 'listening', url: gateway.url, open: gateway.open }));
log.info({ url: gateway.url, store: store.uri }, 'listening');
