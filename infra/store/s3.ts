/**
 * The `s3:` store. Conditional writes (`If-None-Match: *`, `If-Match`) carry all of its guarantees.
 *
 * Each write bears a nonce in its metadata: when a precondition fails, the nonce tells whether the winner was
 * this very write, whose first answer got lost and which the SDK sent again. Beside it lies the object's digest:
 * what arrives damaged is fetched once more, and then is a DigestMismatch.
 */
import { createHash, randomUUID } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { HeadObjectCommandOutput, PutObjectCommandInput } from '@aws-sdk/client-s3';
import type { Artifact } from '../../contracts/artifact.ts';
import { permanent } from '../../contracts/failures.ts';
import { withoutAwsNotice } from '../config.ts';
import { sha256 } from '../digest.ts';
import { failpoint } from '../failpoint.ts';
import { Downloads } from './downloads.ts';
import { blobKey, checkKey } from './key.ts';
import { hasStatus, isNoBucket, isNoUpload, unlessStatus } from './s3-errors.ts';
import type { Bytes, Listed, Store } from './store.ts';
import { partBytes, Uploads } from './uploads.ts';
import { again, fileChunks, fileDigest, verified } from './verify.ts';

/** A connection on which nothing moves for so long is given up, and the request sent again, twice at most. */
const idleMs = 20_000;

/** @param cacheDir for verified downloads, and for spooling streams whose digest is not known yet */
export function openS3Store(uri: string, cacheDir: string, idle = idleMs): Store {
  const { hostname: bucket, pathname, searchParams } = new URL(uri);
  const endpoint = searchParams.get('endpoint');
  const region = searchParams.get('region') ?? (endpoint ? 'us-east-1' : undefined);
  withoutAwsNotice();
  const client = new S3Client({
    ...(region ? { region } : {}),
    ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
    // The SDK's default trailing checksums break some S3 servers; ours are SHA-256 of the whole.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: Math.min(5_000, idle), socketTimeout: idle },
  });
  const prefix = decodeURIComponent(pathname).replaceAll(/^\/+|\/+$/g, '');
  const downloads = new Downloads(cacheDir, uri);
  return new S3Store(uri, client, bucket, prefix ? `${prefix}/` : '', downloads);
}

class S3Store implements Store {
  readonly uri: string;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #downloads: Downloads;
  readonly #uploads: Uploads;

  constructor(uri: string, client: S3Client, bucket: string, prefix: string, downloads: Downloads) {
    this.uri = uri;
    this.#client = client;
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#downloads = downloads;
    this.#uploads = new Uploads(client, downloads.notes);
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
      if (!(await this.#has(artifact))) await this.#putPath(artifact, path, {});
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
    return again(() => this.#downloads.blob(artifact, () => this.readBlob(artifact)));
  }

  async read(key: string): Promise<{ bytes: Uint8Array; etag: string } | undefined> {
    return again(async () => {
      const body = await this.#get(key);
      if (!body) return undefined;
      const chunks: Uint8Array[] = [];
      for await (const chunk of body.stream) chunks.push(chunk);
      return { bytes: Buffer.concat(chunks), etag: body.etag };
    });
  }

  async create(key: string, bytes: Uint8Array | string, mediaType = 'application/octet-stream') {
    const body = Buffer.from(bytes as Uint8Array);
    return (await this.#put(key, { Body: body, ContentType: mediaType, IfNoneMatch: '*' })) !== undefined;
  }

  async createFromFile(key: string, path: string, mediaType: string): Promise<boolean> {
    const object = { uri: key, sha256: await fileDigest(path), mediaType };
    return (await this.#putPath(object, path, { IfNoneMatch: '*' })) !== undefined;
  }

  async swap(key: string, bytes: Uint8Array | string, etag: string | undefined): Promise<string | undefined> {
    const condition = etag === undefined ? { IfNoneMatch: '*' } : { IfMatch: etag };
    const next = await this.#put(key, { Body: Buffer.from(bytes as Uint8Array), ...condition });
    await failpoint('store:swapped');
    return next;
  }

  async localKey(key: string): Promise<string> {
    const head = await this.#head(key);
    if (!head) throw missing(key);
    const etag = head.ETag;
    if (!etag) throw withoutEtag(key);
    const fetch = async () => {
      const body = await this.#get(key, etag);
      if (!body) throw new Error(`${key} changed while it was read`);
      return body.stream;
    };
    return again(() => this.#downloads.object(key, etag, fetch));
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
        const key = Key?.slice(this.#prefix.length);
        // Nothing of ours begins with a dot: a server over a file system shows its own unfinished files, and they go again.
        if (!key || key.endsWith('/') || /(^|\/)\./.test(key)) continue;
        yield { key, bytes: Size, modifiedAt: LastModified };
      }
      from = page.NextContinuationToken;
    } while (from);
  }

  async delete(key: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand(this.#at(key)));
    await failpoint('store:deleted');
  }

  async sweep(): Promise<void> {
    await this.#downloads.sweep();
    await this.#uploads.sweep(this.#bucket, this.#prefix);
  }

  async close(): Promise<void> {
    await this.#uploads.close().finally(() => this.#client.destroy());
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
    if (!found.ETag) throw withoutEtag(key);
    const stream = found.Body as AsyncIterable<Uint8Array>;
    const digest = found.Metadata?.['sha256']; // absent: written before 0.2.0, or by another program
    return { stream: digest ? verified(stream, { uri: key, sha256: digest }) : stream, etag: found.ETag };
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
    // So that what is damaged on the way is refused; SHA-256 in its place is not known to every server.
    const ContentMD5 = createHash('md5').update(input.Body).digest('base64');
    return this.#attempt(key, sha256(input.Body), async (marked) => {
      const request = new PutObjectCommand({ ...this.#at(key), ...input, ContentMD5, ...marked });
      return (await this.#client.send(request)).ETag;
    });
  }

  async #putPath(object: Omit<Artifact, 'bytes'>, path: string, condition: Conditional) {
    const { uri, sha256: digest, mediaType: ContentType } = object;
    const { size } = await stat(path);
    // In memory where it may be: a stream could not be sent again.
    if (size <= partBytes) return this.#put(uri, { Body: await readFile(path), ContentType, ...condition });
    const params = { ...this.#at(uri), ...condition, ContentType };
    return this.#attempt(uri, digest, (marked) => this.#uploads.send(path, size, { ...params, ...marked }));
  }

  /**
   * One conditional write. S3 says 412 (or 404 to If-Match) for a precondition that failed, and 409 for two
   * writes that raced, of which either may win when sent again.
   */
  async #attempt(
    key: string,
    digest: string,
    write: (marked: Pick<PutObjectCommandInput, 'Metadata'>) => Promise<string | undefined>,
  ): Promise<string | undefined> {
    const nonce = randomUUID();
    await failpoint('store:writing');
    for (let tries = 1; ; tries++) {
      try {
        const etag =
          (await write({ Metadata: { writer: nonce, sha256: digest } })) || (await this.#etagOf(key, nonce));
        if (!etag) throw withoutEtag(key);
        await failpoint('store:created');
        return etag;
      } catch (error) {
        if (hasStatus(error, 412, 404) && !isNoBucket(error)) {
          const etag = await this.#etagOf(key, nonce);
          if (!etag && isNoUpload(error)) throw error;
          return etag;
        }
        if (!hasStatus(error, 409) || tries === 8) throw error;
        await sleep(Math.random() * 50 * tries);
      }
    }
  }

  /** @returns undefined when another write stands there */
  async #etagOf(key: string, nonce: string): Promise<string | undefined> {
    const head = await this.#head(key);
    return head?.Metadata?.['writer'] === nonce ? head.ETag : undefined;
  }
}

type Conditional = Pick<PutObjectCommandInput, 'IfMatch' | 'IfNoneMatch'>;

function withoutEtag(key: string): Error {
  return new Error(`the store gave no ETag for ${key}`);
}

function missing(key: string) {
  return permanent('NotFound', `${key} is not in the store`, { what: key });
}
