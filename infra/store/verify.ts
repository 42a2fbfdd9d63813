/** Digests: bytes are checked whenever they enter or leave a store. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Artifact } from '../../contracts/artifact.ts';
import { failedWith, permanent } from '../../contracts/failures.ts';
import { failpoint } from '../failpoint.ts';
import type { Bytes } from './store.ts';

/**
 * Passes a blob's chunks on, one behind, so that the last is given only once the digest agrees.
 * @throws DigestMismatch, also when there are too many or too few bytes
 */
export async function* verified(
  source: AsyncIterable<Uint8Array>,
  artifact: Digested,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let held: Uint8Array | undefined;
  for await (const chunk of source) {
    hash.update(chunk);
    if (held) yield held;
    held = chunk;
  }
  agree(artifact, hash.digest('hex'));
  if (held) yield held;
}

/** Damage may have come on the way: it is fetched once more before it counts as the store's own. */
export async function again<T>(fetch: () => Promise<T>): Promise<T> {
  return fetch().catch((error: unknown) => {
    if (failedWith(error, 'DigestMismatch')) return fetch();
    throw error;
  });
}

/** Reads the whole file. @throws DigestMismatch */
export async function verifyFile(path: string, artifact: Digested): Promise<void> {
  agree(artifact, await fileDigest(path));
}

export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of fileChunks(path)) hash.update(chunk);
  return hash.digest('hex');
}

/** Writes a source into an open file. @returns its digest and length */
export async function spool(source: Bytes, file: FileHandle): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of chunksOf(source)) {
    hash.update(chunk);
    for (let at = 0; at < chunk.byteLength;) at += (await file.write(chunk, at)).bytesWritten;
    bytes += chunk.byteLength;
    await failpoint('store:chunk');
  }
  return { sha256: hash.digest('hex'), bytes };
}

/** What cannot be tidied up now is swept at a later start: it must not turn a write that happened into one that failed. */
export async function discard(path: string): Promise<void> {
  await unlink(path).catch(() => undefined);
}

export function chunksOf(source: Bytes): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  if (typeof source === 'string') return [Buffer.from(source)];
  return source instanceof Uint8Array ? [source] : source;
}

type Digested = Pick<Artifact, 'uri' | 'sha256'>;

function agree({ uri, sha256 }: Digested, actual: string): void {
  if (actual === sha256) return;
  throw permanent('DigestMismatch', `${uri} holds other bytes than were stored`, {
    uri,
    expected: sha256,
    actual,
  });
}

/** Opens the file when it is first read: a stream that waits for its reader would end the process if the file is not there. */
export async function* fileChunks(path: string): AsyncIterable<Uint8Array> {
  yield* createReadStream(path, { highWaterMark: 1 << 20 });
}
