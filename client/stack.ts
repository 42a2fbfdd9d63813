/**
 * `esteira up`: everything on one machine — Temporal server if none is named, one worker, one more where there are
 * GPUs, one serving replica, one gateway — kept running. Whatever is killed is started again; what it was doing goes on.
 *
 * The supervisor itself stays small: it loads no worker, no bundler, no engine.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import type { ConnectionOptions } from '@temporalio/client';
import { taskQueues } from '../contracts/search.ts';
import { waitingFlags } from '../infra/child.ts';
import type { ChildOptions } from '../infra/child.ts';
import type { Config } from '../infra/config.ts';
import type { Device } from '../contracts/trainer.ts';
import { findDevices } from '../infra/devices.ts';
import { registerSearchAttributes } from '../infra/dev-server.ts';
import { failpoint } from '../infra/failpoint.ts';
import { openStore } from '../infra/store/open.ts';
import { health } from './endpoint.ts';
import { Kept, keepTemporal } from './kept.ts';
import { birthOf, freePort } from '../infra/local.ts';
import { runningStack, stackFilePath } from './stack-file.ts';
import type { StackFile } from './stack-file.ts';

export interface Stack extends StackFile {
  /** One line: which Temporal server was taken. */
  server: string;
  /** That a gpu worker trains on. */
  devices: Device[];
  /** Process ids, for those who want to kill one. */
  pids(): { worker: number; serving: number; gateway: number; temporal: number | undefined };
  stop(): Promise<void>;
}

/** A first start bundles the workflow code; a small machine takes a while over that. */
const readyMs = 300_000;

/**
 * Resolves when the worker polls and the endpoint answers; stops whatever it started if that fails.
 *
 * @param tell takes a sentence whenever a process ended by itself and is started again
 * @throws Error when a stack runs from this home already
 */
export async function startStack(config: Config, tell: (line: string) => void = () => {}): Promise<Stack> {
  const other = await runningStack(config.home);
  if (other)
    throw new Error(`Esteira runs from ${config.home} already (pid ${other.pid}); \`esteira down\` stops it`);
  const logs = join(config.home, 'logs');
  await mkdir(logs, { recursive: true });
  await (await openStore(config.store, { cacheDir: join(config.cacheHome, 'artifacts') })).close(); // fails early
  const started = [{ stop: () => rm(stackFilePath(config.home), { force: true }) }];
  try {
    return await start(config, logs, started, tell);
  } catch (error) {
    await stopAll(started);
    throw error;
  }
}

async function start(
  config: Config,
  logs: string,
  started: { stop(): Promise<void> }[],
  tell: (line: string) => void,
): Promise<Stack> {
  const temporal = config.temporal.address === undefined ? await keepTemporal(config) : undefined;
  if (temporal) started.push(temporal);
  await failpoint('cli:temporal');
  const address = temporal?.server.address ?? config.temporal.address!;
  const connection = await Connection.connect({
    ...(config.temporal.connection as ConnectionOptions),
    address,
  });
  try {
    await registerSearchAttributes(connection, config.temporal.namespace);
    const protocol = config.serving.tls ? 'https' : 'http';
    const file: StackFile = {
      pid: process.pid,
      birth: await birthOf(process.pid),
      address,
      namespace: config.temporal.namespace,
      uiUrl: temporal?.server.uiUrl ?? '',
      servingUrl: `${protocol}://${config.serving.host}:${await freePort(config.serving.port)}`,
      gatewayUrl: `http://127.0.0.1:${await freePort(config.gatewayPort)}`,
      store: config.store,
    };
    const keep = (
      name: string,
      url: URL,
      { flags = [], args = [] }: Pick<ChildOptions, 'flags' | 'args'> = {},
    ) => {
      const log = join(logs, `${name}.log`);
      const onEnd = (how: string) =>
        tell(`The ${name} process ended (${how}) and is started again; see ${log}`);
      const kept = new Kept(url, { env: environment(config, file), flags, args }, log, onEnd);
      started.push(kept);
      return kept;
    };
    const worker = keep('worker', new URL('../workers/cpu.ts', import.meta.url), { flags: waitingFlags });
    const devices = await findDevices(config.gpus);
    if (devices.length > 0)
      keep('gpu', new URL('../workers/gpu.ts', import.meta.url), { flags: waitingFlags });
    const serving = keep('serving', new URL('../serving/server.ts', import.meta.url));
    await until(
      () => health(file.servingUrl).then(is200, notYet),
      `The endpoint ${file.servingUrl} does not answer`,
      logs,
    );
    await until(() => polls(connection, file.namespace, worker.pid), 'The worker does not get ready', logs);
    // Last, and not waited for: a run need not wait until events can come.
    const gateway = keep('gateway', new URL('./gateway/server.ts', import.meta.url), {
      flags: waitingFlags,
      args: ['--port', new URL(file.gatewayUrl!).port],
    });
    await failpoint('cli:processes');
    await writeFile(stackFilePath(config.home), JSON.stringify(file));
    await failpoint('cli:noted');
    return {
      ...file,
      devices,
      server: temporal?.server.description ?? `server at ${address} (TEMPORAL_ADDRESS)`,
      pids: () => ({
        worker: worker.pid,
        serving: serving.pid,
        gateway: gateway.pid,
        temporal: temporal?.server.pid,
      }),
      stop: () => stopAll(started),
    };
  } finally {
    await connection.close();
  }
}

/** Workers still need their server, to hand back what they do; the note goes last, for `down` waits for it. */
async function stopAll(started: { stop(): Promise<void> }[]): Promise<void> {
  const kept = started.filter((one) => one instanceof Kept);
  await Promise.all(kept.map((one) => one.stop()));
  for (const one of started.toReversed()) if (!kept.includes(one as Kept)) await one.stop();
}

function environment(config: Config, { address, namespace, servingUrl, store }: StackFile) {
  return {
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: namespace,
    ESTEIRA_STORE: store,
    ESTEIRA_HOME: config.home,
    ESTEIRA_CACHE: config.cacheHome,
    ESTEIRA_SERVING_PORT: new URL(servingUrl).port,
    ...(config.gpus && { ESTEIRA_GPUS: config.gpus.join(',') || 'none' }),
  };
}

async function until(holds: () => Promise<boolean>, otherwise: string, logs: string): Promise<void> {
  const deadline = Date.now() + readyMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`${otherwise}; its log is in ${logs}`);
    await sleep(100);
  }
}

const is200 = (status: number): boolean => status === 200;
/** It does not listen yet. */
const notYet = (): boolean => false;

/** By process id: the server remembers pollers of earlier stacks for minutes. */
async function polls(connection: Connection, namespace: string, pid: number): Promise<boolean> {
  const { pollers } = await connection.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name: taskQueues.cpu },
    taskQueueType: 1, // workflows
  });
  return pollers?.some(({ identity }) => identity?.startsWith(`${pid}@`)) ?? false;
}
