/** A child that writes to a store until a failpoint kills it: `<uri> <cacheDir> <operation> <key>`. */
import { openStore } from '../../infra/store/open.ts';
import type { Store } from '../../infra/store/store.ts';
import { withWorkFolder } from '../../activities/work-folder.ts';
import { openDuckDb } from '../../infra/duckdb.ts';

const [uri, cacheDir, operation, key] = process.argv.slice(2) as [string, string, string, string];
const store = await openStore(uri, { cacheDir });

async function* pieces(count: number): AsyncIterable<Uint8Array> {
  for (let i = 0; i < count; i++) yield Buffer.alloc(1 << 20, i);
}

/** Each leaves something else behind. */
const operations: Record<string, (store: Store) => Promise<unknown>> = {
  create: () => store.create(key, 'killed'),
  swap: async () => store.swap(key, 'killed', (await store.read(key))?.etag),
  stream: () => store.putBlob(pieces(4), 'any'),
  parts: () => store.putBlob(pieces(20), 'any'),
  delete: () => store.delete(key),
  download: () => store.localKey(key),
  // In the work folder, with spilled data: the store's failpoint strikes while both are there.
  work: () =>
    withWorkFolder(cacheDir, 'train', async (folder) => {
      const db = await openDuckDb({ memory: '64MB', threads: 1, spillDir: folder });
      await db.run('CREATE TABLE rows AS SELECT i, hash(i) AS h FROM range(1000) t(i)');
      await store.create(key, 'killed');
    }),
  spill: async () => {
    await openDuckDb({ memory: '64MB', threads: 1, spillDir: cacheDir });
    await store.create(key, 'killed');
  },
};
await operations[operation]!(store);
