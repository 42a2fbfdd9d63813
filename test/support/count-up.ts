/** A child that adds one to a counter in the store, `times` times, by compare-and-swap. */
import { openStore } from '../../infra/store/open.ts';

const [uri, cacheDir, key, times] = process.argv.slice(2) as [string, string, string, string];
const store = await openStore(uri, { cacheDir });
for (let done = 0; done < Number(times);) {
  const now = await store.read(key);
  const count = now ? Number(Buffer.from(now.bytes).toString()) : 0;
  if (await store.swap(key, String(count + 1), now?.etag)) done++;
}
await store.close();
