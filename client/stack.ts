/**
 * `esteira up`: everything on one machine — Temporal server if none is named, one worker, one serving
 * replica — kept running. Whatever is killed is started again; what it was doing goes on.
 */
import { createWriteStream } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import type { ConnectionOptions } from '@temporalio/client';
import { forkModule } from '../infra/child.ts';
import type { Child } from '../infra/child.ts';
import type { Config } from '../infra/config.ts';
import { registerSearchAttributes, startDevServer } from '../infra/dev-server.ts';
import type { DevServer } from '../infra/dev-server.ts';
import { openStore } from '../infra/store/open.ts';
import { workflowBundle } from '../infra/workflow-bundle.ts';
import { runningStack, stackFilePath } from './session.ts';
import type { StackFile } from './session.ts';

export interface Stack extends StackFile {
  /** One line: which Temporal server was taken. */
  server: string;
  /** Process ids, for those who want to kill one. */
  pids(): { worker: number; serving: number; temporal: number | undefined };
  stop(): Promise<void>;
}

const usual = { temporal: 7233, ui: 8233 };

/** @throws Error when a stack runs from this home already */
export async function startStack(config: Config): Promise<Stack> {
  const other = await runningStack(config.home);
  if (other)
    throw new Error(`Esteira runs from ${config.home} already (pid ${other.pid}); \`esteira down\` stops it`);
  await mkdir(join(config.home, 'logs'), { recursive: true });
  await (await openStore(config.store, { cacheDir: join(config.cacheHome, 'artifacts') })).close(); // fails early
  const [temporal] = await Promise.all([keepTemporal(config), workflowBundle(config.cacheHome)]);
  const address = temporal?.server.address ?? config.temporal.address!;
  const connection = await Connection.connect({
    ...(config.temporal.connection as ConnectionOptions),
    address,
  });
  await registerSearchAttributes(connection, config.temporal.namespace);
  await connection.close();

  const port = await freePort(config.serving.port);
  const servingUrl = `http://${config.serving.host}:${port}`;
  const env = {
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: config.temporal.namespace,
    ESTEIRA_STORE: config.store,
    ESTEIRA_HOME: config.home,
    ESTEIRA_CACHE: config.cacheHome,
    ESTEIRA_SERVING_PORT: String(port),
  };
  const logs = join(config.home, 'logs');
  const worker = new Kept(new URL('../workers/cpu.ts', import.meta.url), env, join(logs, 'worker.log'));
  const serving = new Kept(new URL('../serving/server.ts', import.meta.url), env, join(logs, 'serving.log'));
  const file: StackFile = {
    pid: process.pid,
    address,
    namespace: config.temporal.namespace,
    uiUrl: temporal?.server.uiUrl ?? '',
    servingUrl,
    store: config.store,
  };
  await writeFile(stackFilePath(config.home), JSON.stringify(file));
  await untilLive(servingUrl, serving);
  return {
    ...file,
    server: temporal?.server.description ?? `server at ${address} (TEMPORAL_ADDRESS)`,
    pids: () => ({ worker: worker.pid, serving: serving.pid, temporal: temporal?.server.pid }),
    async stop() {
      await Promise.all([serving.stop(), worker.stop()]);
      await temporal?.stop();
      await rm(stackFilePath(config.home), { force: true });
    },
  };
}

/** One of our modules in a process of its own, started again whenever it ends. */
class Kept {
  readonly #start: () => Child;
  #child: Child;
  #stopping = false;

  constructor(url: URL, env: Record<string, string>, logPath: string) {
    const log = createWriteStream(logPath, { flags: 'a' });
    this.#start = () => forkModule(url, { env, onText: (line) => void log.write(`${line}\n`) });
    this.#child = this.#start();
    void this.#keep(); // ends with stop(); it cannot throw: `exited` never rejects
  }

  get pid(): number {
    return this.#child.pid;
  }

  async #keep(): Promise<void> {
    for (let pause = 100; !this.#stopping; pause = Math.min(pause * 2, 5_000)) {
      const since = Date.now();
      await Promise.all([this.#child.exited, drained(this.#child)]);
      if (this.#stopping) return;
      if (Date.now() - since > 30_000) pause = 100; // it had run well: this is a new trouble
      await sleep(pause);
      if (!this.#stopping) this.#child = this.#start();
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#child.kill(25_000);
  }
}

/** Logs go to files; standard output must be read all the same, or the child would block on a full pipe. */
async function drained(child: Child): Promise<void> {
  for await (const _ of child.events);
}

/** The local server, looked after: a killed one comes back on the same ports, with the same state. */
async function keepTemporal(
  config: Config,
): Promise<{ server: DevServer; stop(): Promise<void> } | undefined> {
  if (config.temporal.address !== undefined) return undefined;
  const { home, cacheHome } = config;
  const [port, uiPort] = [await freePort(usual.temporal), await freePort(usual.ui)];
  let server = await startDevServer({ home, cacheHome, port, uiPort }).catch(
    () => startDevServer({ home, cacheHome }), // somebody took the port in between
  );
  const ports = {
    port: Number(new URL(`http://${server.address}`).port),
    uiPort: Number(new URL(server.uiUrl).port),
  };
  const watch = setInterval(() => void revive(), 500);
  let reviving: Promise<void> | undefined;
  const revive = (): Promise<void> | undefined => {
    if (isAlive(server.pid)) return reviving;
    reviving ??= startDevServer({ home, cacheHome, ...ports })
      .then((next) => void (server = next))
      .catch(() => undefined) // the port may be held a moment longer; the next look tries again
      .finally(() => (reviving = undefined));
    return reviving;
  };
  return {
    get server() {
      return server;
    },
    async stop() {
      clearInterval(watch);
      await reviving;
      await server.stop();
    },
  };
}

async function untilLive(url: string, serving: Kept): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    const answer = await fetch(`${url}/v2/health/live`).catch(() => undefined);
    if (answer?.ok) return;
    await sleep(50);
  }
  await serving.stop();
  throw new Error(`the serving process does not answer at ${url}; see its log beside the store`);
}

/** The wished port if nobody has it, else any free one. */
async function freePort(wished: number): Promise<number> {
  const listen = (port: number) =>
    new Promise<number | undefined>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(undefined));
      server.listen(port, '127.0.0.1', () => {
        const taken = (server.address() as AddressInfo).port;
        server.close(() => resolve(taken));
      });
    });
  return (await listen(wished)) ?? (await listen(0))!;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
