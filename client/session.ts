/** Opens Esteira for one command: the service and the store that the environment, or a running stack, names. */
import { join } from 'node:path';
import { readConfig } from '../infra/config.ts';
import type { Config } from '../infra/config.ts';
import { openStore } from '../infra/store/open.ts';
import { connect } from '../infra/temporal.ts';
import { Esteira } from './index.ts';
import { runningStack } from './stack-file.ts';

export { runningStack } from './stack-file.ts';

/** @throws Error saying how to start one, when there is nothing to talk to */
export async function openEsteira(config: Config = readConfig()): Promise<Esteira> {
  const reachable = await located(config);
  const client = await connect(reachable).catch((error: unknown) => {
    const address = reachable.temporal.connection.address;
    throw new Error(`No Temporal server answers at ${address}; \`esteira doctor\` tells more.`, {
      cause: error,
    });
  });
  const store = await openStore(reachable.store, { cacheDir: join(config.cacheHome, 'artifacts') });
  return new Esteira(client, store, { home: config.home, servingUrl: await servingUrl(config) });
}

/** @returns the config with the running stack's addresses, where the environment names none */
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
    temporal: {
      ...config.temporal,
      address,
      namespace,
      connection: { ...config.temporal.connection, address },
    },
  };
}

/** Where predictions are asked for: the running stack's endpoint, else the one that is set. */
export async function servingUrl(config: Config): Promise<string> {
  const stack = await runningStack(config.home);
  const { host, port, tls } = config.serving;
  return stack?.servingUrl ?? `${tls ? 'https' : 'http'}://${host}:${port}`;
}
