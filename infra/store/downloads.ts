/** The local side of a remote store: verified copies of what was downloaded, and spooled uploads. */
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Artifact } from '../../contracts/artifact.ts';
import { failedWith } from '../../contracts/failures.ts';
import { sha256 } from '../digest.ts';
import { unlessCode } from '../errno.ts';
import { failpoint } from '../failpoint.ts';
import { ownName, sweepFolder } from '../local.ts';
import { blobKey } from './key.ts';
import type { Bytes } from './store.ts';
import { discard, spool, verifyFile } from './verify.ts';

export class Downloads {
  readonly #folder: string;
  readonly #store: string;

  /** @param uri of the store; objects of two stores may share a key, blobs may share a copy */
  constructor(cacheDir: string, uri: string) {
    this.#folder = join(cacheDir, 'store');
    this.#store = sha256(uri).slice(0, 16);
  }

  /** Folder for notes about what is sent to this store. */
  get notes(): string {
    return join(this.#folder, 'uploads', this.#store);
  }

  /** See `Store.sweep`. */
  sweep(): Promise<void> {
    return sweepFolder(this.#temporary);
  }

  /** The copy is hashed at each call; a damaged one is fetched again. */
  async blob(artifact: Artifact, fetch: () => AsyncIterable<Uint8Array>): Promise<string> {
    const path = join(this.#folder, blobKey(artifact.sha256));
    if (await exists(path)) {
      const intact = await verifyFile(path, artifact).then(
        () => true,
        (error: unknown) => {
          if (failedWith(error, 'DigestMismatch')) return false;
          throw error;
        },
      );
      if (intact) return path;
    }
    await this.#fill(path, fetch());
    return path;
  }

  /** One copy a key: the last etag asked for. The name keeps its extension, which DuckDB goes by. */
  async object(key: string, etag: string, fetch: () => Promise<AsyncIterable<Uint8Array>>): Promise<string> {
    const folder = join(this.#folder, 'objects', this.#store, sha256(key).slice(0, 32));
    const version = sha256(etag).slice(0, 16);
    const path = join(folder, version, basename(key));
    if (await exists(path)) return path;
    await this.#fill(path, await fetch());
    for (const other of await readdir(folder)) {
      if (other !== version) await rm(join(folder, other), { recursive: true, force: true });
    }
    return path;
  }

  /** Gives `use` a temporary file of a stream's bytes, whose digest is known only at its end. */
  async spooled<T>(
    source: Bytes,
    use: (path: string, written: { sha256: string; bytes: number }) => Promise<T>,
  ): Promise<T> {
    return this.#staged(async (path) => {
      const file = await open(path, 'wx');
      const written = await spool(source, file).finally(() => file.close());
      await failpoint('store:staged');
      return use(path, written);
    });
  }

  get #temporary(): string {
    return join(this.#folder, '.tmp');
  }

  async #fill(path: string, source: Bytes): Promise<void> {
    await this.#staged(async (staged) => {
      const file = await open(staged, 'wx');
      await spool(source, file).finally(() => file.close());
      await failpoint('store:downloaded');
      await mkdir(join(path, '..'), { recursive: true });
      await rename(staged, path);
    });
  }

  async #staged<T>(action: (path: string) => Promise<T>): Promise<T> {
    await mkdir(this.#temporary, { recursive: true });
    const path = join(this.#temporary, ownName());
    try {
      return await action(path);
    } finally {
      await discard(path);
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(unlessCode('ENOENT'))) !== undefined;
}
