/** `esteira doctor`: looks at everything a run needs, and says what to do where something is missing. */
import '../infra/onnx/no-telemetry.mjs';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { taskQueues } from '../contracts/search.ts';
import type { Config } from '../infra/config.ts';
import { findTemporalCli } from '../infra/dev-server.ts';
import { openStore } from '../infra/store/open.ts';
import { connect } from '../infra/temporal.ts';
import { health } from './endpoint.ts';
import { located } from './session.ts';
import { runningStack } from './stack-file.ts';
import type { StackFile } from './stack-file.ts';

export interface Finding {
  what: string;
  ok: boolean;
  detail: string;
}

/** As package.json's `engines` has it. */
const wantedNode = [20, 19] as const;
const notRunning = 'not running; `esteira up` starts it';

/** What is not running because nothing was started is no fault; what was started and does not answer is. */
export async function diagnose(config: Config): Promise<Finding[]> {
  const stack = await runningStack(config.home);
  const remote = config.temporal.address !== undefined;
  return Promise.all([
    find('Node', node),
    find('Temporal server', () => (stack || remote ? server(config) : program(config))),
    find('workers', async () => (stack || remote ? workers(config) : notRunning)),
    find('serving', async () => (stack ? serving(stack) : notRunning)),
    find('store', async () => {
      const store = await openStore(config.store, { cacheDir: join(config.cacheHome, 'artifacts') });
      await store.close();
      return config.store;
    }),
    find('DuckDB', async () => {
      const { DuckDBInstance } = await import('@duckdb/node-api');
      (await DuckDBInstance.create(':memory:')).closeSync();
      return `${config.duckdb.memory}, ${config.duckdb.threads} threads`;
    }),
    find('ONNX Runtime', async () => {
      const { listSupportedBackends } = await import('onnxruntime-node');
      const bundled = listSupportedBackends().filter((backend) => backend.bundled);
      return bundled.map(({ name }) => name).join(', ');
    }),
  ]);
}

async function find(what: string, look: () => Promise<string>): Promise<Finding> {
  try {
    return { what, ok: true, detail: await look() };
  } catch (error) {
    return { what, ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
}

async function node(): Promise<string> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [wantedMajor, wantedMinor] = wantedNode;
  const wanted = `wanted: ${wantedMajor}.${wantedMinor} or newer`;
  if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor))
    throw new Error(`${process.version}; ${wanted}`);
  return `${process.version} (${wanted})`;
}

async function program({ cacheHome }: Config): Promise<string> {
  const { path, origin } = await findTemporalCli(cacheHome);
  return `not running; \`esteira up\` will start ${path} (${origin})`;
}

async function server(config: Config): Promise<string> {
  return withClient(config, async (client, { temporal }) => {
    const { serverVersion } = await client.workflowService.getSystemInfo({});
    return `${temporal.connection.address}, version ${serverVersion}`;
  });
}

/** Training on devices is nobody's duty until a project asks for it; the cpu queue is. */
async function workers(config: Config): Promise<string> {
  return withClient(config, async (client, { temporal }) => {
    const count = async (name: string) => {
      const { pollers } = await client.workflowService.describeTaskQueue({
        namespace: temporal.namespace,
        taskQueue: { name },
        taskQueueType: 2, // activities
      });
      return new Set(pollers?.map(({ identity }) => identity)).size;
    };
    const counts = await Promise.all(
      Object.entries(taskQueues).map(async ([queue, name]) => ({ queue, name, pollers: await count(name) })),
    );
    const found = counts.map(({ name, pollers }) => `${name}: ${pollers}`).join(', ');
    const missing = counts.some(({ queue, pollers }) => queue !== 'gpu' && pollers === 0);
    if (missing) throw new Error(`${found}; nothing moves without a cpu worker: \`esteira up\` runs one`);
    return found;
  });
}

async function serving({ servingUrl }: StackFile): Promise<string> {
  const status = await health(servingUrl);
  if (status !== 200) throw new Error(`${servingUrl} answers ${status}`);
  return servingUrl;
}

async function withClient(
  config: Config,
  use: (client: Client, reachable: Config) => Promise<string>,
): Promise<string> {
  const reachable = await located(config);
  const client = await connect(reachable).catch((error: unknown) => {
    throw new Error(`no Temporal server answers at ${reachable.temporal.connection.address}`, {
      cause: error,
    });
  });
  try {
    return await use(client, reachable);
  } finally {
    await client.connection.close();
  }
}
