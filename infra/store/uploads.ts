/**
 * Multipart uploads, which cost money until they are completed or aborted, and are seen by nobody meanwhile.
 *
 * Each is noted in a local file from its start to its end: so what a killed process began is aborted when the next
 * one starts. What other machines left is aborted after a day.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
} from '@aws-sdk/client-s3';
import type {
  CreateMultipartUploadCommandOutput,
  ListMultipartUploadsCommandOutput,
  PutObjectCommandInput,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { unlessCode } from '../errno.ts';
import { failpoint } from '../failpoint.ts';
import { fateOf, ownName } from '../local.ts';
import { unlessStatus } from './s3-errors.ts';
import { discard, fileChunks } from './verify.ts';

/** Above this, an object is sent in parts of this size, two in flight: 16 MiB of memory an upload. */
export const partBytes = 8 * 1024 * 1024;
const partsAtMost = 10_000;
const dayMs = 86_400_000;

/** One that is under way: what aborts it. */
interface Begun {
  Bucket: string;
  Key: string;
  UploadId: string;
}

export class Uploads {
  readonly #client: S3Client;
  readonly #notes: string;
  /** Of this process, by note. */
  readonly #begun = new Map<string, Begun>();

  /** @param notes folder of the notes of this store on this machine */
  constructor(client: S3Client, notes: string) {
    this.#client = client;
    this.#notes = notes;
    this.#watch();
  }

  /** @returns the new object's etag */
  async send(path: string, size: number, params: PutObjectCommandInput): Promise<string | undefined> {
    const body = Readable.from(fileChunks(path));
    try {
      const upload = new Upload({
        client: this.#client,
        params: { ...params, Body: body, ContentLength: size },
        partSize: Math.max(partBytes, Math.ceil(size / partsAtMost)),
        queueSize: 2,
      });
      return (await upload.done()).ETag;
    } finally {
      body.destroy();
    }
  }

  /** Aborts what could not be aborted when it failed. */
  async close(): Promise<void> {
    for (const [note, begun] of this.#begun) await this.#abort(begun, note);
  }

  async sweep(bucket: string, prefix: string): Promise<void> {
    for (const name of await readdir(this.#notes).catch(unlessCode('ENOENT', []))) {
      if ((await fateOf(name)) !== 'dead') continue;
      const note = join(this.#notes, name);
      const begun = asBegun(await readFile(note, 'utf8').catch(unlessCode('ENOENT', '')));
      if (begun) await this.#abort(begun, note);
      else await discard(note);
    }
    await this.#sweepOld(bucket, prefix);
  }

  async #sweepOld(Bucket: string, Prefix: string): Promise<void> {
    let from: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
    while (from) {
      const page: ListMultipartUploadsCommandOutput = await this.#client.send(
        new ListMultipartUploadsCommand({ Bucket, Prefix, ...from }),
      );
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        const old = Initiated && Date.now() - Initiated.getTime() > dayMs;
        if (old && Key && UploadId) await this.#abort({ Bucket, Key, UploadId });
      }
      from = page.IsTruncated
        ? { KeyMarker: page.NextKeyMarker ?? '', UploadIdMarker: page.NextUploadIdMarker ?? '' }
        : undefined;
    }
  }

  async #abort(begun: Begun, note?: string): Promise<void> {
    await this.#client.send(new AbortMultipartUploadCommand(begun)).catch(unlessStatus(404));
    if (note) await this.#forget(note);
  }

  async #forget(note: string): Promise<void> {
    this.#begun.delete(note);
    await discard(note);
  }

  /** Notes beginnings and ends, whoever sends them: the SDK's own uploader does. */
  #watch(): void {
    this.#client.middlewareStack.add(
      (next, { commandName }) =>
        async (args) => {
          if (commandName === 'CompleteMultipartUploadCommand') await failpoint('store:completing');
          const answer = await next(args);
          const input = args.input as Partial<Begun>;
          if (commandName === 'UploadPartCommand') await failpoint('store:part');
          if (commandName === CreateMultipartUploadCommand.name) {
            const { UploadId } = answer.output as CreateMultipartUploadCommandOutput;
            await this.#note({ Bucket: input.Bucket!, Key: input.Key!, UploadId: UploadId! });
          }
          if (/^(Complete|Abort)Multipart/.test(commandName ?? '')) await this.#ended(input.UploadId);
          return answer;
        },
      { step: 'initialize', name: 'multipartUploads' },
    );
  }

  /** Not noted means not begun: on a full disk the upload fails here, and is aborted at once. */
  async #note(begun: Begun): Promise<void> {
    const note = join(this.#notes, ownName());
    this.#begun.set(note, begun);
    try {
      await mkdir(this.#notes, { recursive: true });
      await writeFile(note, JSON.stringify(begun));
    } catch (error) {
      await this.#abort(begun, note);
      throw error;
    }
  }

  async #ended(uploadId: string | undefined): Promise<void> {
    for (const [note, begun] of this.#begun) if (begun.UploadId === uploadId) await this.#forget(note);
  }
}

/** @returns undefined for a note that was cut when its writer was killed */
function asBegun(text: string): Begun | undefined {
  try {
    return JSON.parse(text) as Begun;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
