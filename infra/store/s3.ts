/**
 * The `s3:` store. Conditional writes (`If-None-Match: *`, `If-Match`) carry all of its guarantees.
 *
 * Each write bears a nonce in its metadata: when a precondition fails, the nonce tells whether the winner was
 * this very write, whose first answer got lost and which the SDK sent again.
 */
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import type { HeadObjectCommandOutput, PutObjectCommandInput } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import type { Artifact } from '../../contracts/artifact.ts';
import { permanent } from '../../contracts/failures.ts';
import { sha256 } from '../digest.ts';
import { failpoint } from '../failpoint.ts';
import { Downloads } from './downloads.ts';
import { blobKey, checkKey } from './key.ts';
import type { Bytes, Listed, Store } from './store.ts';
import { fileChunks, verified } from './verify.ts';

/** Above this, an object is sent in parts of this size, two in flight: 16 MiB of memory an upload. */
const partBytes = 8 * 1024 * 1024;

/** @param cacheDir for verified downloads, and for spooling streams whose digest is not known yet */
export function openS3Store(uri: string, cacheDir: string): Store {
  const { hostname: bucket, pathname, searchParams } = new URL(uri);
  const endpoint = searchParams.get('endpoint');
  const region = searchParams.get('region') ?? (endpoint ? 'us-east-1' : undefined);
  const client = new S3Client({
    ...(region ? { region } : {}),
    ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
    // The SDK's default trailing checksums break some S3 servers; ours are SHA-256 of the whole.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        if (commandName === 'CompleteMultipartUploadCommand') await failpoint('store:completing');
        const answer = await next(args);
        if (commandName === 'UploadPartCommand') await failpoint('store:part');
        return answer;
      },
    { step: 'initialize', name: 'failpoints' },
  );
  const prefix = decodeURIComponent(pathname).replaceAll(/^\/+|\/+$/g, '');
  return new S3Store(uri, client, bucket, prefix ? `${prefix}/` : '', new Downloads(cacheDir, uri));
}

class S3Store implements Store {
  readonly uri: string;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #downloads: Downloads;

  constructor(uri: string, client: S3Client, bucket: string, prefix: string, downloads: Downloads) {
    this.uri = uri;
    this.#client = client;
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#downloads = downloads;
  }

  async putBlob(source: Bytes, mediaType: string): Promise<Artifact> {
    if (typeof source === 'string' || source instanceof Uint8Array) {
      const body = Buffer.from(source as Uint8Array);
      const digest = sha256(body);
      const artifact = { uri: blobKey(digest), sha256: digest, bytes: body.byteLength, mediaType };
      if (!(await this.#has(artifact))) await this.#put(artifact.uri, { Body: body, ContentType: mediaType });
      return artifact;
    }
    return this.#downloads.spooled(source, async (path, written) => {
      const artifact = { uri: blobKey(written.sha256), ...written, mediaType };
      if (!(await this.#has(artifact))) await this.#putPath(artifact.uri, path, mediaType, {});
      return artifact;
    });
  }

  async putFile(path: string, mediaType: string): Promise<Artifact> {
    return this.putBlob(fileChunks(path), mediaType);
  }

  async *readBlob(artifact: Artifact): AsyncIterable<Uint8Array> {
    const body = await this.#get(artifact.uri);
    if (!body) throw missing(artifact.uri);
    yield* verified(body.stream, artifact);
  }

  async localPath(artifact: Artifact): Promise<string> {
    checkKey(artifact.uri);
    return this.#downloads.blob(artifact, () => this.readBlob(artifact));
  }

  async read(key: string): Promise<{ bytes: Uint8Array; etag: string } | undefined> {
    const body = await this.#get(key);
    if (!body) return undefined;
    const chunks: Uint8Array[] = [];
    for await (const chunk of body.stream) chunks.push(chunk);
    return { bytes: Buffer.concat(chunks), etag: body.etag };
  }

  async create(key: string, bytes: Uint8Array | string, mediaType = 'application/octet-stream') {
    const body = Buffer.from(bytes as Uint8Array);
    return (await this.#put(key, { Body: body, ContentType: mediaType, IfNoneMatch: '*' })) !== undefined;
  }

  async createFromFile(key: string, path: string, mediaType: string): Promise<boolean> {
    return (await this.#putPath(key, path, mediaType, { IfNoneMatch: '*' })) !== undefined;
  }

  async swap(key: string, bytes: Uint8Array | string, etag: string | undefined): Promise<string | undefined> {
    const condition = etag === undefined ? { IfNoneMatch: '*' } : { IfMatch: etag };
    const next = await this.#put(key, { Body: Buffer.from(bytes as Uint8Array), ...condition });
    await failpoint('store:swapped');
    return next;
  }

  async localKey(key: string): Promise<string> {
    const head = await this.#head(key);
    if (!head?.ETag) throw missing(key);
    return this.#downloads.object(key, head.ETag, async () => {
      const body = await this.#get(key, head.ETag);
      if (!body) throw new Error(`${key} changed while it was read`);
      return body.stream;
    });
  }

  async *list(prefix: string): AsyncIterable<Listed> {
    const folder = prefix.slice(0, Math.max(0, prefix.lastIndexOf('/')));
    if (folder) checkKey(folder);
    let from: string | undefined;
    do {
      const page = await this.#client.send(
        new ListObjectsV2Command({
          Bucket: this.#bucket,
          Prefix: this.#prefix + prefix,
          ...(from ? { ContinuationToken: from } : {}),
        }),
      );
      for (const { Key, Size = 0, LastModified = new Date(0) } of page.Contents ?? []) {
        if (Key && !Key.endsWith('/')) {
          yield { key: Key.slice(this.#prefix.length), bytes: Size, modifiedAt: LastModified };
        }
      }
      from = page.NextContinuationToken;
    } while (from);
  }

  async delete(key: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand(this.#at(key)));
    await failpoint('store:deleted');
  }

  close(): Promise<void> {
    this.#client.destroy();
    return Promise.resolve();
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + checkKey(key) };
  }

  async #get(
    key: string,
    etag?: string,
  ): Promise<{ stream: AsyncIterable<Uint8Array>; etag: string } | undefined> {
    const condition = etag ? { IfMatch: etag } : {};
    const found = await this.#client
      .send(new GetObjectCommand({ ...this.#at(key), ...condition }))
      .catch(unlessStatus(404, 412));
    if (!found?.Body) return undefined;
    return { stream: found.Body as AsyncIterable<Uint8Array>, etag: found.ETag ?? '' };
  }

  #head(key: string): Promise<HeadObjectCommandOutput | undefined> {
    return this.#client.send(new HeadObjectCommand(this.#at(key))).catch(unlessStatus(404));
  }

  /** A blob of the wrong length was damaged outside, and is written again. */
  async #has({ uri, bytes }: Artifact): Promise<boolean> {
    const found = (await this.#head(uri))?.ContentLength === bytes;
    if (!found) await failpoint('store:looked');
    return found;
  }

  #put(
    key: string,
    input: Conditional & { Body: Buffer; ContentType?: string },
  ): Promise<string | undefined> {
    return this.#attempt(key, async (marked) => {
      const { ETag } = await this.#client.send(
        new PutObjectCommand({ ...this.#at(key), ...input, ...marked }),
      );
      return ETag;
    });
  }

  async #putPath(key: string, path: string, ContentType: string, condition: Conditional) {
    const { size } = await stat(path);
    return this.#attempt(key, async (marked) => {
      const params = { ...this.#at(key), ...condition, ...marked, ContentType, Body: createReadStream(path) };
      if (size <= partBytes) {
        return (await this.#client.send(new PutObjectCommand({ ...params, ContentLength: size }))).ETag;
      }
      const upload = new Upload({ client: this.#client, params, partSize: partBytes, queueSize: 2 });
      return (await upload.done()).ETag;
    });
  }

  /**
   * One conditional write. S3 says 412 (or 404 to If-Match) for a precondition that failed, and 409 for two
   * writes that raced, of which either may win when sent again.
   */
  async #attempt(
    key: string,
    write: (marked: Pick<PutObjectCommandInput, 'Metadata'>) => Promise<string | undefined>,
  ): Promise<string | undefined> {
    const nonce = randomUUID();
    await failpoint('store:writing');
    for (let tries = 1; ; tries++) {
      try {
        const etag = (await write({ Metadata: { writer: nonce } })) ?? '';
        await failpoint('store:created');
        return etag;
      } catch (error) {
        if (hasStatus(error, 412, 404) && !isNoBucket(error)) {
          const head = await this.#head(key);
          return head?.Metadata?.['writer'] === nonce ? head.ETag : undefined;
        }
        if (!hasStatus(error, 409) || tries === 8) throw error;
        await sleep(Math.random() * 50 * tries);
      }
    }
  }
}

type Conditional = Pick<PutObjectCommandInput, 'IfMatch' | 'IfNoneMatch'>;

function missing(key: string) {
  return permanent('NotFound', `${key} is not in the store`, { what: key });
}

function hasStatus(error: unknown, ...statuses: number[]): boolean {
  return error instanceof S3ServiceException && statuses.includes(error.$metadata.httpStatusCode ?? 0);
}

/** A 404 that is about the bucket is a wrong configuration, not a missing object. */
function isNoBucket(error: unknown): boolean {
  return error instanceof S3ServiceException && error.name === 'NoSuchBucket';
}

function unlessStatus(...statuses: number[]): (error: unknown) => undefined {
  return (error) => {
    if (hasStatus(error, ...statuses) && !isNoBucket(error)) return undefined;
    throw error;
  };
}
