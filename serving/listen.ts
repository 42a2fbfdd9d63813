/** A server that listens, and ends in the order that loses nothing: not ready, last answers, then what is behind it. */
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { failpoint } from '../infra/failpoint.ts';
import type { Logger } from '../infra/log.ts';

/** Balancers poll readiness about this often; what they send until then is still answered. */
const drainMs = 250;

/** @returns where it can be reached */
export async function listen(app: FastifyInstance, host: string, port: number): Promise<string> {
  await app.listen({ host, port });
  const { port: listening } = app.server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${listening}`;
}

export interface Stopping {
  /** Not ready from now on. */
  drain(): void;
  /** Once no request is answered any more. */
  close(): Promise<void>;
}

/** On SIGTERM and SIGINT, once. */
export function stopOnSignal(app: FastifyInstance, log: Logger, { drain, close }: Stopping): void {
  const stop = async () => {
    log.info('stopping');
    drain();
    await failpoint('serving:draining');
    await sleep(drainMs);
    await app.close();
    await close();
  };
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
}
