/** Proves at start that a store does what promotions rely on, since "S3 compatible" promises nothing. */
import { randomUUID } from 'node:crypto';
import type { Store } from './store.ts';

/** Writes, swaps and deletes one small object. @throws Error naming what the store does not honour */
export async function probe(store: Store): Promise<void> {
  const key = `probe/${randomUUID()}`;
  const demand = (holds: boolean, what: string) => {
    if (!holds) throw new Error(`the store ${store.uri} ${what}: it cannot keep promotions consistent`);
  };
  demand(await store.create(key, 'one'), 'refuses to create a new object');
  try {
    demand(!(await store.create(key, 'two')), 'overwrites an object despite If-None-Match: *');
    const first = await store.read(key);
    demand(first !== undefined && text(first.bytes) === 'one', 'does not read back what was written');
    demand(
      (await store.swap(key, 'two', undefined)) === undefined,
      'overwrites an object despite If-None-Match: *',
    );
    const etag = await store.swap(key, 'three', first?.etag);
    demand(etag !== undefined, 'refuses If-Match with the right ETag');
    demand((await store.swap(key, 'four', first?.etag)) === undefined, 'ignores a stale If-Match');
    const last = await store.read(key);
    demand(last !== undefined && text(last.bytes) === 'three', 'does not read back what was written');
  } finally {
    await store.delete(key);
  }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
