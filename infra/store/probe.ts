/** Proves at start that a store does what promotions rely on, since "S3 compatible" promises nothing. */
import { randomUUID } from 'node:crypto';
import { link, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../errno.ts';
import { ownName } from '../local.ts';
import type { Store } from './store.ts';
import { discard } from './verify.ts';

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

/**
 * A file store's exclusiveness is that of hard links. Under a millisecond: a write, two links, nothing synced.
 *
 * @param folder for temporary files of the store; made when missing
 * @throws Error naming what the folder lacks
 */
export async function probeFolder(uri: string, folder: string): Promise<void> {
  const file = join(folder, ownName());
  const other = join(folder, ownName());
  try {
    await mkdir(folder, { recursive: true })
      .then(() => writeFile(file, 'probe'))
      .catch(refuse(uri, 'cannot be written'));
    await link(file, other).catch(refuse(uri, 'lies on a file system without hard links'));
    const twice = await link(file, other).then(
      () => true,
      (error: unknown) => !hasCode(error, 'EEXIST'),
    );
    if (twice) refuse(uri, 'lies on a file system that links over what exists')('it did');
  } finally {
    await discard(file);
    await discard(other);
  }
}

function refuse(uri: string, what: string): (cause: unknown) => never {
  return (cause) => {
    throw new Error(`the store ${uri} ${what}: it cannot keep promotions consistent (${String(cause)})`, {
      cause,
    });
  };
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
