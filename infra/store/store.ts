/**
 * The store: where every byte that outlives a process is kept, and the port that both kinds fill.
 *
 * Two sorts of objects. Blobs are named by their content and never change. Named objects are written once
 * (`create`) or by compare-and-swap (`swap`); nothing is ever overwritten blindly. Both stores pass one
 * conformance suite, `test/infra/store.test.ts`.
 */
import type { Artifact } from '../../contracts/artifact.ts';

export interface Store {
  readonly uri: string;
  /** Streams bytes into `blobs/sha256/…`; the same bytes twice are stored once. */
  putBlob(source: Bytes, mediaType: string): Promise<Artifact>;
  /** Streams a local file into a blob. */
  putFile(path: string, mediaType: string): Promise<Artifact>;
  /** Streams the blob, verified: the last chunk is withheld until the digest agrees. @throws DigestMismatch, NotFound */
  readBlob(artifact: Artifact): AsyncIterable<Uint8Array>;
  /** A local, verified path of the blob, for reading only. Hashes all bytes at each call. @throws DigestMismatch, NotFound */
  localPath(artifact: Artifact): Promise<string>;
  /** A small named object; `etag` is for `swap`. */
  read(key: string): Promise<{ bytes: Uint8Array; etag: string } | undefined>;
  /**
   * @returns false when it existed, and was left as it is. A caller that tries again after an error compares what
   * is there with what it wrote, for the first try may have written it.
   */
  create(key: string, bytes: Uint8Array | string, mediaType?: string): Promise<boolean>;
  /** Like `create`, streamed. */
  createFromFile(key: string, path: string, mediaType: string): Promise<boolean>;
  /**
   * Compare-and-swap. An `etag` of undefined means "must not exist". Etags follow from the content, so that a
   * value which comes back (A, B, A) looks unchanged: a caller whom this matters to puts a number into it that only
   * grows, as slots and leases do.
   * @returns the new etag, or undefined when somebody else was first
   */
  swap(key: string, bytes: Uint8Array | string, etag: string | undefined): Promise<string | undefined>;
  /** A local path with what a named object held at the call, for reading only. @throws NotFound */
  localKey(key: string): Promise<string>;
  /** Every named object and blob whose key begins with `prefix`, in order of their keys' bytes. */
  list(prefix: string): AsyncIterable<Listed>;
  /** Deleting what is not there is no error. */
  delete(key: string): Promise<void>;
  /**
   * Deletes what killed processes of this machine left half done, and what those of others have left for a day.
   * To be called when a worker or a server starts; others may use the store meanwhile.
   */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

export interface Listed {
  key: string;
  bytes: number;
  modifiedAt: Date;
}

/** A stream must not reuse its chunks' memory. */
export type Bytes = AsyncIterable<Uint8Array> | Uint8Array | string;
