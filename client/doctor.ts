/** `esteira doctor`: looks at everything a run needs, and says what to do where something is missing. */
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import type { Config } from '../infra/config.ts';
import { findTemporalCli } from '../infra/dev-server.ts';
import { openStore } from '../infra/store/open.ts';
import { connect } from '../infra/temporal.ts';
import { located, runningStack } from './session.ts';

export interface Finding {
  what: string;
  ok: boolean;
  detail: string;
}

export async function diagnose(config: Config): Promise<Finding[]> {
  return Promise.all([
    find('Node', async () => `${process.version} (wanted: 20.19 or newer)`),
    find('Temporal server', () => temporal(config)),
    find('workers', () => pollers(config)),
    find('store', async () => {
      const store = await openStore(config.store, { cacheDir: join(config.cacheHome, 'artifacts') });
      await store.close();
      return config.store;
    }),
    find('DuckDB', async () => {
      (await DuckDBInstance.create(':memory:')).closeSync();
      return `${config.duckdb.memory}, ${config.duckdb.threads} threads`;
    }),
    find('ONNX Runtime', async () => {
      const { default: ort } = await import('onnxruntime-node');
      const backends = ort.listSupportedBackends().map(({ name }) => name);
      return backends.join(', ');
    }),
    find('serving', async () => {
      const stack = await runningStack(config.home);
      if (!stack) return 'not running; `esteira up` starts it';
      const answer = await fetch(`${stack.servingUrl}/v2/health/live`);
      if (!answer.ok) throw new Error(`${stack.servingUrl} answers ${answer.status}`);
      return stack.servingUrl;
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

async function temporal(config: Config): Promise<string> {
  if (config.temporal.address === undefined && !(await runningStack(config.home))) {
    const { path, origin } = await findTemporalCli(config.cacheHome);
    return `not running; \`esteira up\` will start ${path} (${origin})`;
  }
  const reachable = await located(config);
  const client = await connect(reachable);
  const { serverVersion } = await client.workflowService.getSystemInfo({});
  await client.connection.close();
  return `${reachable.temporal.connection.address}, version ${serverVersion}`;
}

async function pollers(config: Config): Promise<string> {
  if (config.temporal.address === undefined && !(await runningStack(config.home))) return 'not running';
  const reachable = await located(config);
  const client = await connect(reachable);
  const { taskQueues } = await import('../contracts/search.ts');
  const counts = await Promise.all(
    Object.values(taskQueues).map(async (name) => {
      const { pollers: found } = await client.workflowService.describeTaskQueue({
        namespace: reachable.temporal.namespace,
        taskQueue: { name },
        taskQueueType: 2, // activities
      });
      return `${name}: ${new Set(found?.map(({ identity }) => identity)).size}`;
    }),
  );
  await client.connection.close();
  return counts.join(', ');
}
