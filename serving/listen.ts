/**
 * The doors of a server: HTTP, gRPC where it is wanted, a port for operators where it is wanted; and its end, in the order
 * that loses nothing: not ready, last answers, then what is behind it.
 */
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createSecureContext } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServerCredentials } from '@grpc/grpc-js';
import type { FastifyInstance } from 'fastify';
import type { ServingSettings } from '../infra/config-serving.ts';
import { failpoint } from '../infra/failpoint.ts';
import type { Logger } from '../infra/log.ts';
import { openAccess } from './access.ts';
import { createApp, createManagementApp } from './app.ts';
import type { AppDeps, Tls } from './app.ts';
import { Gate } from './gate.ts';
import { listenGrpc } from './grpc.ts';
import { Rates } from '../infra/rates.ts';
import { notListening, unreadable } from '../infra/start-faults.ts';
import { openTracing } from './tracing.ts';

/** Balancers poll readiness about this often; what they send until then is still answered. */
const drainMs = 250;

export interface Doors {
  url: string;
  grpcPort?: number;
  managementUrl?: string;
  /** Answers what has come, and no more. */
  close(): Promise<void>;
}

type DoorDeps = Omit<AppDeps, 'gate' | 'tracing' | 'tls' | 'accessLog' | 'management'>;

/** @param settings with the ports that were asked for. @throws Error in words for whoever starts it */
export async function openDoors(deps: DoorDeps, settings: ServingSettings): Promise<Doors> {
  const { host, port, grpcPort, managementPort, accessLog } = settings;
  const gate = await openGate(settings);
  const tracing = await openTracing(settings.tracesTo, deps.log);
  const tls = settings.tls && (await readTls(settings.tls));
  const management = managementPort === undefined;
  const app = createApp({ ...deps, gate, tracing, accessLog, management, ...(tls && { tls }) });
  const url = await listen(app, host, port, tls ? 'https' : 'http');
  const grpc =
    grpcPort === undefined
      ? undefined
      : await listenGrpc({ ...deps, gate, tracing }, host, grpcPort, tls && credentialsOf(tls));
  const operators = management ? undefined : createManagementApp(deps);
  return {
    url,
    ...(grpc && { grpcPort: grpc.port }),
    ...(operators && { managementUrl: await listen(operators, host, managementPort!) }),
    async close() {
      await Promise.all([app.close(), grpc?.close()]);
      await operators?.close();
      await tracing?.close();
    },
  };
}

async function openGate({ access, rate }: ServingSettings): Promise<Gate> {
  return new Gate(access && (await openAccess(access)), rate === undefined ? undefined : new Rates(rate));
}

async function readTls({ cert, key }: NonNullable<ServingSettings['tls']>): Promise<Tls> {
  const pem = {
    cert: await readFile(cert).catch(unreadable('ESTEIRA_SERVING_TLS_CERT', cert)),
    key: await readFile(key).catch(unreadable('ESTEIRA_SERVING_TLS_KEY', key)),
  };
  try {
    createSecureContext(pem);
  } catch (error) {
    throw new Error(`${cert} and ${key} are no certificate and its key, in PEM`, { cause: error });
  }
  return pem;
}

function credentialsOf({ cert, key }: Tls): ServerCredentials {
  return ServerCredentials.createSsl(null, [{ cert_chain: cert, private_key: key }]);
}

/** @returns where it can be reached */
export async function listen(
  app: FastifyInstance,
  host: string,
  port: number,
  scheme = 'http',
): Promise<string> {
  await app.listen({ host, port }).catch(notListening(host, port));
  const { port: listening } = app.server.address() as AddressInfo;
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${listening}`;
}

export interface Stopping {
  /** Not ready from now on. */
  drain(): void;
  /** Once no request is answered any more. */
  close(): Promise<void>;
}

/** On SIGTERM and SIGINT, once. */
export function stopOnSignal(doors: Doors, log: Logger, { drain, close }: Stopping): void {
  const stop = async () => {
    // What is waited for here may hold nothing open itself (a module that is loaded, for one), and Node would end before.
    const alive = setInterval(() => undefined, 60_000);
    log.info('stopping');
    drain();
    await failpoint('serving:draining');
    await sleep(drainMs);
    await doors.close();
    await close();
    clearInterval(alive);
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
