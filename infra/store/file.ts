/**
 * The `file:` store: a folder that reads like its keys.
 *
 * A reader never sees a short file: bytes go to a temporary file of the same file system, are synced, and then
 * linked (create) or renamed (swap) to their name, and the folder is synced too. So what was answered is still
 * there after a power cut, and debris of a killed writer stays in `.tmp/`, where no key can point, until `sweep`.
 */
import { copyFile, link, mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Artifact } from '../../contracts/artifact.ts';
import { permanent } from '../../contracts/failures.ts';
import { sha256 } from '../digest.ts';
import { unlessCode } from '../errno.ts';
import { failpoint } from '../failpoint.ts';
import { ownName, sweepFolder } from '../local.ts';
import { blobKey, checkKey } from './key.ts';
import { withLock } from './lock.ts';
import { probeFolder } from './probe.ts';
import type { Bytes, Listed, Store } from './store.ts';
import { discard, fileChunks, fileDigest, spool, verified, verifyFile } from './verify.ts';

/**
 * @param uri `file:///absolute/folder`; the folder is made when missing
 * @throws Error when the folder cannot be written, or its file system makes no hard links
 */
export async function openFileStore(uri: string): Promise<Store> {
  const root = fileURLToPath(uri);
  await probeFolder(uri, join(root, '.tmp'));
  return new FileStore(uri, root);
}

class FileStore implements Store {
  /** Folders known to exist and to be synced into their parents. */
  readonly #folders = new Set<string>();
  /** One swapper of a key at a time in this process, so that only processes contend for it. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly uri: string;
  readonly #root: string;

  constructor(uri: string, root: string) {
    this.uri = uri;
    this.#root = root;
  }

  async putBlob(source: Bytes, mediaType: string): Promise<Artifact> {
    return this.#staged(async (path) => {
      const written = await this.#write(path, source, 0o444);
      return this.#keep(path, { uri: blobKey(written.sha256), ...written, mediaType });
    });
  }

  async putFile(path: string, mediaType: string): Promise<Artifact> {
    return this.putBlob(fileChunks(path), mediaType);
  }

  async *readBlob(artifact: Artifact): AsyncIterable<Uint8Array> {
    const path = await this.#existing(artifact.uri);
    yield* verified(fileChunks(path), artifact);
  }

  async localPath(artifact: Artifact): Promise<string> {
    const path = await this.#existing(artifact.uri);
    await verifyFile(path, artifact);
    return path;
  }

  async read(key: string): Promise<{ bytes: Uint8Array; etag: string } | undefined> {
    const bytes = await readFile(this.#path(key)).catch(unlessCode('ENOENT'));
    return bytes && { bytes, etag: sha256(bytes) };
  }

  async create(key: string, bytes: Uint8Array | string): Promise<boolean> {
    const target = this.#path(key);
    return this.#staged(async (path) => {
      await this.#write(path, bytes);
      return this.#link(path, target);
    });
  }

  async createFromFile(key: string, source: string): Promise<boolean> {
    const target = this.#path(key);
    return this.#staged(async (path) => {
      await copyFile(source, path);
      await sync(path);
      await failpoint('store:staged');
      return this.#link(path, target);
    });
  }

  async swap(key: string, bytes: Uint8Array | string, etag: string | undefined): Promise<string | undefined> {
    return this.#alone(key, async () => {
      if ((await this.read(key))?.etag !== etag) return undefined;
      await failpoint('store:compared');
      const target = this.#path(key);
      return this.#staged(async (path) => {
        const { sha256: next } = await this.#write(path, bytes);
        if (etag === undefined) return (await this.#link(path, target)) ? next : undefined;
        await rename(path, target);
        await sync(dirname(target));
        await failpoint('store:swapped');
        return next;
      });
    });
  }

  async localKey(key: string): Promise<string> {
    return this.#existing(key);
  }

  async *list(prefix: string): AsyncIterable<Listed> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    if (folder) checkKey(folder.slice(0, -1));
    yield* this.#walk(folder, prefix);
  }

  async delete(key: string): Promise<void> {
    const path = this.#path(key);
    await this.#alone(key, async () => {
      await unlink(path).catch(unlessCode('ENOENT'));
      await failpoint('store:deleted');
    });
  }

  sweep(): Promise<void> {
    return sweepFolder(join(this.#root, '.tmp'));
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#turns.values());
  }

  #path(key: string): string {
    return join(this.#root, checkKey(key));
  }

  async #existing(key: string): Promise<string> {
    const path = this.#path(key);
    const found = await stat(path).catch(unlessCode('ENOENT'));
    if (!found) throw permanent('NotFound', `${key} is not in the store`, { what: key });
    return path;
  }

  /** A fresh temporary path, gone afterwards whatever happened. */
  async #staged<T>(action: (path: string) => Promise<T>): Promise<T> {
    const path = join(this.#root, '.tmp', ownName());
    try {
      await failpoint('store:writing');
      return await action(path);
    } finally {
      await discard(path);
    }
  }

  async #write(path: string, source: Bytes, mode = 0o644) {
    const file = await open(path, 'wx', mode);
    try {
      const written = await spool(source, file);
      await file.sync();
      await failpoint('store:staged');
      return written;
    } finally {
      await file.close();
    }
  }

  /** A blob that was damaged outside is mended by storing it again: the good bytes take its place. */
  async #keep(path: string, artifact: Artifact): Promise<Artifact> {
    const target = this.#path(artifact.uri);
    if (await this.#link(path, target)) return artifact;
    if ((await fileDigest(target)) !== artifact.sha256) {
      await rename(path, target);
      await sync(dirname(target));
    }
    return artifact;
  }

  async #link(path: string, target: string): Promise<boolean> {
    const folder = dirname(target);
    await this.#makeFolder(folder);
    const created = await link(path, target).then(() => true, unlessCode('EEXIST', false));
    if (created) await sync(folder);
    if (created) await failpoint('store:created');
    return created;
  }

  /** A new folder is only durable when its parent is synced, up to the root. */
  async #makeFolder(folder: string): Promise<void> {
    if (this.#folders.has(folder)) return;
    await mkdir(folder, { recursive: true });
    for (let parent = folder; parent !== this.#root;) {
      parent = dirname(parent);
      await sync(parent);
    }
    this.#folders.add(folder);
  }

  async #alone<T>(key: string, action: () => Promise<T>): Promise<T> {
    checkKey(key);
    const before = this.#turns.get(key) ?? Promise.resolve();
    const turn = before.then(() => withLock(this.#root, key, action));
    const settled = Promise.allSettled([turn]);
    this.#turns.set(key, settled);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(key) === settled) this.#turns.delete(key);
    }
  }

  /** Depth first. A folder sorts as its name and `/`, so that keys come out in the order S3 gives. */
  async *#walk(folder: string, prefix: string): AsyncIterable<Listed> {
    const entries = await readdir(join(this.#root, folder), { withFileTypes: true }).catch(
      unlessCode('ENOENT', []),
    );
    const keys = entries
      .filter(({ name }) => !name.startsWith('.'))
      .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`)
      .filter((key) => key.startsWith(prefix) || prefix.startsWith(key))
      .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const key of keys) {
      if (key.endsWith('/')) yield* this.#walk(key, prefix);
      else yield* this.#listed(key);
    }
  }

  /** Nothing, when it was deleted since the folder was read. */
  async *#listed(key: string): AsyncIterable<Listed> {
    const found = await stat(join(this.#root, key)).catch(unlessCode('ENOENT'));
    if (found) yield { key, bytes: found.size, modifiedAt: found.mtime };
  }
}

/** fsync of a file or a folder. */
async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
