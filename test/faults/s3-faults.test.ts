/** Every operation of the S3 store, while the server fails it: the outcome is right, or the failure is worth a retry. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import type { Artifact } from '../../contracts/artifact.ts';
import { failedWith } from '../../contracts/failures.ts';
import { readBytes } from '../../infra/store/json.ts';
import { openStore } from '../../infra/store/open.ts';
import type { Store } from '../../infra/store/store.ts';
import { startFaultyS3 } from '../support/faulty-s3.ts';
import type { FaultyS3, Kind, Operation } from '../support/faulty-s3.ts';
import { startS3 } from '../support/s3.ts';

const root = await mkdtemp(join(tmpdir(), 'esteira-s3-faults-'));
const s3 = await startS3();
const skip = typeof s3 === 'string' ? s3 : false;
after(async () => {
  if (typeof s3 !== 'string') await s3.stop();
  await rm(root, { recursive: true, force: true });
});

const small = join(root, 'small');
const big = join(root, 'big');
const bigBytes = Buffer.alloc((8 << 20) + 1_000, 'big');
await writeFile(small, 'from a file');
await writeFile(big, bigBytes);

interface Place {
  store: Store;
  s3: FaultyS3;
  /** What was there before the faults. */
  seeded: { artifact: Artifact; etag: string };
  /** Of its keys in the bucket. */
  prefix: string;
}

/** @throws what the store throws; an assertion, when the store's answer is wrong */
type Behaviour = (place: Place) => Promise<void>;

const behaviours: Record<string, { do: Behaviour; calls: Operation[] }> = {
  create: {
    calls: ['PutObject'],
    async do({ store }) {
      const created = await store.create('new', 'mine');
      assert.equal(await text(store, 'new'), 'mine');
      assert.equal(created, true);
    },
  },
  swap: {
    calls: ['PutObject'],
    async do({ store, seeded }) {
      const etag = await store.swap('seed', 'next', seeded.etag);
      const now = await store.read('seed');
      assert.deepEqual([String(now?.bytes && Buffer.from(now.bytes)), now?.etag], ['next', etag]);
    },
  },
  putBlob: {
    calls: ['HeadObject', 'PutObject'],
    async do({ store }) {
      assert.equal(String(await readBytes(store, await store.putBlob('a blob', 'text/plain'))), 'a blob');
    },
  },
  'putFile in parts': {
    calls: ['HeadObject', 'CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload'],
    async do({ store }) {
      const artifact = await store.putFile(big, 'application/octet-stream');
      assert(bigBytes.equals(await readBytes(store, artifact)));
    },
  },
  'createFromFile in parts': {
    calls: ['CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload'],
    async do({ store }) {
      const created = await store.createFromFile('new', big, 'application/octet-stream');
      assert(bigBytes.equals(await readFile(await store.localKey('new'))));
      assert.equal(created, true);
    },
  },
  createFromFile: {
    calls: ['PutObject'],
    async do({ store }) {
      const created = await store.createFromFile('new', small, 'text/plain');
      assert.equal(await text(store, 'new'), 'from a file');
      assert.equal(created, true);
    },
  },
  read: {
    calls: ['GetObject'],
    do: async ({ store }) => assert.equal(await text(store, 'seed'), 'seed'),
  },
  readBlob: {
    calls: ['GetObject'],
    do: async ({ store, seeded }) => assert.equal(String(await readBytes(store, seeded.artifact)), 'seed'),
  },
  localPath: {
    calls: ['GetObject'],
    do: async ({ store, seeded }) =>
      assert.equal(await readFile(await store.localPath(seeded.artifact), 'utf8'), 'seed'),
  },
  localKey: {
    calls: ['HeadObject', 'GetObject'],
    do: async ({ store }) => assert.equal(await readFile(await store.localKey('seed'), 'utf8'), 'seed'),
  },
  list: {
    calls: ['ListObjectsV2'],
    do: async ({ store }) => assert((await keys(store)).includes('seed')),
  },
  delete: {
    calls: ['DeleteObject'],
    async do({ store }) {
      await store.delete('seed');
      assert.equal(await store.read('seed'), undefined);
    },
  },
};

const always = ['500', '503', 'hang', 'reset'] as const;
const kinds: Partial<Record<Operation, Kind[]>> = {
  PutObject: [...always, 'lost', '409', 'noEtag', 'damaged'],
  GetObject: [...always, 'truncated', 'short', 'wrong', 'noEtag'],
  HeadObject: [...always, 'noEtag'],
  ListObjectsV2: [...always, 'truncated'],
  CreateMultipartUpload: [...always, 'lost'],
  UploadPart: [...always, 'lost', 'noEtag', '404'],
  CompleteMultipartUpload: [...always, 'lost', '409', '404', 'noEtag'],
  DeleteObject: [...always, 'lost'],
};

describe('under every fault of the server', { skip, concurrency: 4, timeout: 960_000 }, () => {
  for (const [name, { do: behave, calls }] of Object.entries(behaviours)) {
    test(`${name} is right, or fails in a way that is worth a retry`, async () => {
      const cases = calls.flatMap((operation) => kinds[operation]!.map((kind) => ({ operation, kind })));
      const inParts = name.endsWith('parts'); // each holds some copies of its bytes
      await eachOf(cases, inParts ? 3 : 10, async ({ operation, kind }) => {
        const spells = inParts && kind !== 'reset' ? [1] : [1, 100];
        for (const times of spells) await meets(name, behave, operation, kind, times);
      });
    });
  }
});

/** Under the fault: right, or a failure that is worth a retry. After it: right at once, and nothing half done. */
async function meets(name: string, behave: Behaviour, operation: Operation, kind: Kind, times: number) {
  const idleMs = kind === 'hang' ? 1_000 : 20_000;
  const place = await open(`${name}-${operation}-${kind}-${times}`.replaceAll(' ', '-'), idleMs);
  const label = `${name}: ${operation} ${kind} × ${times}`;
  place.s3.set({ operation, kind, times });
  const error = await behave(place).then(
    () => undefined,
    (failure: unknown) => failure,
  );
  assert(place.s3.struck > 0, `${label}: the fault was not met`);
  if (error !== undefined) assert(isFair(error, kind), `${label}: ${String(error)}`);
  const readAgain = /^(read|localPath|localKey)$/.test(name) && /^(short|wrong)$/.test(kind);
  if (times === 1 && (readAgain || mended.includes(kind))) assert.equal(error, undefined, label);

  place.s3.set();
  const written = error !== undefined && /^(create|swap)/.test(name);
  if (written) await completes(place, name);
  else await behave(place).catch((late: unknown) => repeated(name, late));
  for (const key of await keys(place.store)) await place.store.delete(key); // before the disk has to write it
  await place.store.close();
  const orphan = operation === 'CreateMultipartUpload' && kind === 'lost'; // nobody has learned its id
  if (!orphan) assert.deepEqual(await uploads(place.prefix), [], label);
  await place.s3.stop();
  await rm(join(root, 'cache', place.prefix), { recursive: true, force: true });
}

/** One such hiccup is nobody's business but the SDK's and ours. */
const mended: Kind[] = ['500', '503', 'hang', 'reset', 'lost', '409'];

/** A plain Error, which Temporal tries again; bytes that are not the right ones may be a DigestMismatch. */
function isFair(error: unknown, kind: Kind): boolean {
  if (kind === 'short' || kind === 'wrong') return failedWith(error, 'DigestMismatch');
  const final = error instanceof ApplicationFailure && error.nonRetryable === true;
  return error instanceof Error && !final && !(error instanceof assert.AssertionError);
}

/** A caller whose write failed looks what is there: nothing of it, or all of it. Then a second try finds or makes it. */
async function completes({ store }: Place, name: string): Promise<void> {
  const key = name === 'swap' ? 'seed' : 'new';
  const expected = { create: 'mine', swap: 'next', createFromFile: 'from a file' }[name] ?? String(bigBytes);
  const found = await store.read(key);
  const there = found && String(Buffer.from(found.bytes));
  assert([name === 'swap' ? 'seed' : undefined, expected].includes(there), `${name}: ${there?.slice(0, 50)}`);
  if (there === expected) return;
  assert(await store.swap(key, expected, found?.etag));
}

/** The second time, a write finds its own first one. */
function repeated(name: string, error: unknown): void {
  if (!/^(create|swap)/.test(name)) throw error;
  assert(error instanceof assert.AssertionError);
}

async function open(prefix: string, idleMs: number): Promise<Place> {
  assert(typeof s3 !== 'string');
  const proxy = await startFaultyS3(s3.endpoint);
  const options = { cacheDir: join(root, 'cache', 'faults', prefix), idleMs };
  const store = await openStore(proxy.uri(`faults/${prefix}`), options);
  const artifact = await store.putBlob('seed', 'text/plain');
  const etag = (await store.swap('seed', 'seed', undefined))!;
  return { store, s3: proxy, seeded: { artifact, etag }, prefix: `faults/${prefix}` };
}

async function uploads(prefix: string): Promise<string[]> {
  assert(typeof s3 !== 'string');
  return (await s3.uploads()).filter((key) => key.startsWith(prefix));
}

async function eachOf<T>(all: T[], atOnce: number, work: (one: T) => Promise<void>): Promise<void> {
  const rest = [...all];
  const worker = async () => {
    for (let one = rest.shift(); one !== undefined; one = rest.shift()) await work(one);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

async function text(store: Store, key: string): Promise<string | undefined> {
  const found = await store.read(key);
  return found && Buffer.from(found.bytes).toString();
}

async function keys(store: Store): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of store.list('')) found.push(key);
  return found;
}
