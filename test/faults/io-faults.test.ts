/** The nth call to the file system fails, for n = 1, 2, 3 … until the work is done untouched, as SQLite tests itself. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ApplicationFailure } from '@temporalio/common';
import type { Artifact } from '../../contracts/artifact.ts';
import { hasCode } from '../../infra/errno.ts';
import { sha256 } from '../../infra/digest.ts';
import { readBytes } from '../../infra/store/json.ts';
import { openStore } from '../../infra/store/open.ts';
import type { Store } from '../../infra/store/store.ts';
import { breakFs, codes } from '../support/faulty-fs.ts';

const root = await mkdtemp(join(tmpdir(), 'esteira-io-'));
const faulty = breakFs(join(root, 'store'));
after(async () => {
  faulty.restore();
  await rm(root, { recursive: true, force: true });
});

const source = join(root, 'source');
const bytes = Buffer.alloc(1_200_000, 'source');
await writeFile(source, bytes);

interface Seeded {
  store: Store;
  folder: string;
  artifact: Artifact;
  etag: string;
}

/** `do` fails or is right; `whole` holds after either, and after `do` was done again by one who looks first. */
const operations: Record<
  string,
  { do(place: Seeded): Promise<unknown>; whole(place: Seeded): Promise<unknown> }
> = {
  open: {
    do: ({ store, folder }) => openStore(store.uri, { cacheDir: folder }),
    whole: async () => {},
  },
  create: {
    do: ({ store }) => store.create('deep/er/new', 'mine'),
    whole: ({ store }) => isOneOf(store, 'deep/er/new', undefined, 'mine'),
  },
  createFromFile: {
    do: ({ store }) => store.createFromFile('deep/er/new', source, 'any'),
    whole: ({ store }) => isOneOf(store, 'deep/er/new', undefined, String(bytes)),
  },
  'swap of what is there': {
    do: async ({ store }) => store.swap('seed', 'next', (await store.read('seed'))?.etag),
    whole: ({ store }) => isOneOf(store, 'seed', 'seed', 'next'),
  },
  'swap of what is not': {
    do: async ({ store }) => store.swap('new', 'first', (await store.read('new'))?.etag),
    whole: ({ store }) => isOneOf(store, 'new', undefined, 'first'),
  },
  putFile: {
    do: async ({ store }) => assert(bytes.equals(await readBytes(store, await store.putFile(source, 'any')))),
    whole: async () => {},
  },
  'reading it all': {
    async do({ store, artifact }) {
      assert.equal(String(await readBytes(store, artifact)), 'blob');
      assert.equal(await readFile(await store.localPath(artifact), 'utf8'), 'blob');
      assert.equal(await readFile(await store.localKey('seed'), 'utf8'), 'seed');
      for await (const { key, bytes: length } of store.list('')) assert(length > 0, key);
    },
    whole: async () => {},
  },
  delete: {
    do: ({ store }) => store.delete('seed'),
    whole: ({ store }) => isOneOf(store, 'seed', 'seed', undefined),
  },
  sweep: {
    do: ({ store }) => store.sweep(),
    whole: async () => {},
  },
};

for (const [name, operation] of Object.entries(operations)) {
  test(
    `${name}: whichever call fails, the store is whole and the next try succeeds`,
    { timeout: 480_000 },
    async () => {
      let n = 1;
      while (await strikes(name, operation, n, codes[n % codes.length]!)) n++;
      assert(n > 1, `${name} never met a fault`);
      for (let full = 1; await strikes(name, operation, full, 'full');) full++;
    },
  );
}

/** @returns whether there was an nth call, which failed */
async function strikes(
  name: string,
  operation: (typeof operations)[string],
  n: number,
  kind: (typeof codes)[number] | 'full',
): Promise<boolean> {
  const place = await seeded(join(root, 'store', `${name}-${kind}-${n}`.replaceAll(' ', '-')));
  const label = `${name}, call ${n}: ${kind}`;
  faulty.arm(n, kind === 'full' ? 'ENOSPC' : kind, kind === 'full');
  const error = await operation.do(place).then(
    () => undefined,
    (failure: unknown) => failure,
  );
  const failed = faulty.disarm();
  if (error !== undefined) assert(isPlain(error), `${label}: ${String(error)}`);
  await operation.whole(place);
  await operation.do(place);
  await operation.whole(place);
  // What could not be deleted stays until this process has ended; all else is gone now.
  if (failed !== 'unlink') assert.deepEqual(await debris(place.folder), [], `${label} (${failed})`);
  for await (const { key } of place.store.list('blobs/'))
    assert.equal(sha256(await readFile(join(place.folder, key))), key.split('/').at(-1), label);
  await place.store.close();
  await rm(place.folder, { recursive: true });
  return failed !== undefined;
}

test('a full disk fails what does not fit, and nothing else; with room again, all goes on', async (t) => {
  const folder = join(root, 'full');
  await mkdir(folder);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder], { stdio: 'pipe' });
  } catch (error) {
    return t.skip(`no file system can be mounted here: ${String(error).split('\n')[0]}`);
  }
  t.after(() => execFileSync('umount', [folder]));
  const full = (error: unknown) => hasCode(error, 'ENOSPC');
  const { store } = await seeded(folder);
  await assert.rejects(store.putBlob(Buffer.alloc(5 << 20), 'any'), full);
  await assert.rejects(store.createFromFile('big', await file(5 << 20), 'any'), full);
  assert.deepEqual(await debris(folder), []);

  const filler = join(folder, 'filler');
  await assert.rejects(writeFile(filler, Buffer.alloc(5 << 20)), full);
  const before = await store.read('seed');
  await assert.rejects(store.swap('seed', 'next', before?.etag), full);
  await assert.rejects(store.create('new', 'x'), full);
  assert.deepEqual(await store.read('seed'), before);
  assert.equal(await store.read('new'), undefined);
  assert.deepEqual(await debris(folder), []);

  await unlink(filler);
  assert(await store.swap('seed', 'next', before?.etag));
  assert.equal(await store.create('new', 'x'), true);
});

test('a folder that cannot hold a store says so in a sentence', async () => {
  const uri = pathToFileURL(join(source, 'below-a-file')).href;
  await assert.rejects(openStore(uri, { cacheDir: root }), /^Error: the store file:.* cannot be written/);
  const other = pathToFileURL(join(root, 'store', 'linkless')).href;
  faulty.arm(3, 'EPERM'); // mkdir, write, link
  await assert.rejects(openStore(other, { cacheDir: root }), /lies on a file system without hard links/);
  assert.equal(faulty.disarm(), 'link');
});

async function seeded(folder: string): Promise<Seeded> {
  const store = await openStore(pathToFileURL(folder).href, { cacheDir: folder });
  const artifact = await store.putBlob('blob', 'text/plain');
  const etag = (await store.swap('seed', 'seed', undefined))!;
  return { store, folder, artifact, etag };
}

async function file(size: number): Promise<string> {
  const path = join(root, `file-${size}`);
  await writeFile(path, Buffer.alloc(size));
  return path;
}

/** Temporary files, and waiters of locks. */
async function debris(folder: string): Promise<string[]> {
  const locks = (await readdir(join(folder, '.locks'), { recursive: true })).filter((path) =>
    /\/\./.test(path),
  );
  return [...(await readdir(join(folder, '.tmp'))), ...locks];
}

async function isOneOf(store: Store, key: string, ...allowed: (string | undefined)[]): Promise<void> {
  const found = await store.read(key);
  const text = found && String(Buffer.from(found.bytes));
  assert(allowed.includes(text), `${key} is ${text?.slice(0, 20)}`);
}

function isPlain(error: unknown): boolean {
  const final = error instanceof ApplicationFailure && error.nonRetryable === true;
  return error instanceof Error && !final && !(error instanceof assert.AssertionError);
}
