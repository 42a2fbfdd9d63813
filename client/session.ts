/** Opens Esteira for one command: the service and the store that the environment, or a running stack, names. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readConfig } from '../infra/config.ts';
import type { Config } from '../infra/config.ts';
import { openStore } from '../infra/store/open.ts';
import { connect } from '../infra/temporal.ts';
import { Esteira } from './index.ts';

/** `<home>/stack.json`: what `esteira up` runs, while it runs. */
export const StackFile = z.object({
  pid: z.int(),
  address: z.string(),
  namespace: z.string(),
  uiUrl: z.string(),
  servingUrl: z.string(),
  store: z.string(),
});
export type StackFile = z.infer<typeof StackFile>;

export const stackFilePath = (home: string): string => join(home, 'stack.json');

/** @returns undefined when no stack runs from this home, whatever a killed one left behind. */
export async function runningStack(home: string): Promise<StackFile | undefined> {
  const text = await readFile(stackFilePath(home), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const stack = StackFile.parse(JSON.parse(text));
  return isAlive(stack.pid) ? stack : undefined;
}

export async function openEsteira(config: Config = readConfig()): Promise<Esteira> {
  const reachable = await located(config);
  const client = await connect(reachable);
  const store = await openStore(reachable.store, { cacheDir: join(config.cacheHome, 'artifacts') });
  return new Esteira(client, store);
}

/** @throws Error saying how to start one, when there is nothing to talk to */
export async function located(config: Config): Promise<Config> {
  if (config.temporal.address !== undefined) return config;
  const stack = await runningStack(config.home);
  if (!stack) {
    throw new Error(
      `No Esteira runs from ${config.home}. Start one with \`esteira up\`, or set TEMPORAL_ADDRESS and ESTEIRA_STORE.`,
    );
  }
  const { address, namespace, store } = stack;
  return {
    ...config,
    store,
    temporal: { address, namespace, connection: { ...config.temporal.connection, address } },
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // alive, but another user's
  }
}
