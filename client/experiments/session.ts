/** The store and the cache for commands that need nothing else: runs are read where no server answers, too. */
import { join } from 'node:path';
import { readConfig } from '../../infra/config.ts';
import { openStore } from '../../infra/store/open.ts';
import type { Store } from '../../infra/store/store.ts';
import { runningStack } from '../stack-file.ts';

/** The store that a running stack names, where the environment names no server; else the one that is set. */
export async function withStore<T>(use: (store: Store, cacheHome: string) => Promise<T>): Promise<T> {
  const config = readConfig();
  const stack = config.temporal.address === undefined ? await runningStack(config.home) : undefined;
  const store = await openStore(stack?.store ?? config.store, {
    cacheDir: join(config.cacheHome, 'artifacts'),
  });
  try {
    return await use(store, config.cacheHome);
  } finally {
    await store.close();
  }
}
