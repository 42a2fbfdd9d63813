/** One conformance suite for both stores: what a caller may rely on, whichever it was given. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { Artifact } from '../../contracts/artifact.ts';
import { failedWith } from '../../contracts/failures.ts';
import { readBytes } from '../../infra/store/json.ts';
import { openStore } from '../../infra/store/open.ts';
import type { Store } from '../../infra/store/store.ts';
import { startS3 } from '../support/s3.ts';
import { until } from '../support/until.ts';

const root = await mkdtemp(join(tmpdir(), 'esteira-store-'));
const cacheDir = join(root, 'cache');
const s3 = await startS3();
after(async () => {
  if (typeof s3 !== 'string') await s3.stop();
  await rm(root, { recursive: true, force: true });
});

const fileUri = pathToFileURL(join(root, 'store')).href;
conformance('file', fileUri, async ({ uri }) => {
  await chmod(join(root, 'store', uri), 0o644);
  await writeFile(join(root, 'store', uri), 'other bytes!');
});
conformance('s3', typeof s3 === 'string' ? '' : s3.uri, async ({ uri }) => {
  assert(typeof s3 !== 'string');
  const client = new S3Client({ endpoint: s3.endpoint, region: 'us-east-1', forcePathStyle: true });
  const at = { Bucket: 'esteira-test', Key: `store/${uri}` };
  await client.send(new PutObjectCommand({ ...at, Body: 'other bytes!' }));
  await client.send(new GetObjectCommand(at));
});

function conformance(kind: string, uri: string, damage: (artifact: Artifact) => Promise<void>): void {
  const skip = uri ? false : String(s3);
  describe(`the ${kind} store`, { skip }, () => {
    let store: Store;
    before(async () => {
      store = await openStore(uri, { cacheDir });
    });
    after(() => store.close());

    test('gives back a blob by its digest, and keeps equal bytes once', async () => {
      const artifact = await store.putBlob('hello\n', 'text/plain');
      assert.deepEqual(artifact, {
        uri: 'blobs/sha256/58/5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03',
        sha256: '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03',
        bytes: 6,
        mediaType: 'text/plain',
      });
      assert.deepEqual(await store.putBlob(streamOf('hel', 'lo\n'), 'text/plain'), artifact);
      assert.equal(Buffer.from(await readBytes(store, artifact)).toString(), 'hello\n');
      assert.equal(await readFile(await store.localPath(artifact), 'utf8'), 'hello\n');
      assert.equal((await keys(store, 'blobs/sha256/58/')).length, 1);
    });

    test('a file that is not there is an error to catch, not the end of the process', async () => {
      await assert.rejects(store.putFile('/nowhere/at/all', 'text/plain'), { code: 'ENOENT' });
    });

    test('an empty blob is a blob', async () => {
      const artifact = await store.putBlob('', 'text/plain');
      assert.equal((await readBytes(store, artifact)).byteLength, 0);
    });

    test('damaged bytes are refused before the last chunk is given', async () => {
      const artifact = await store.putBlob('precious one', 'text/plain');
      await damage(artifact);
      const mismatch = (error: unknown) => failedWith(error, 'DigestMismatch');
      await assert.rejects(readBytes(store, artifact), mismatch);
      await assert.rejects(store.localPath(artifact), mismatch);
    });

    test('what is not there is undefined by name and NotFound by artifact', async () => {
      const artifact = {
        ...(await store.putBlob('x', 'text/plain')),
        uri: `blobs/sha256/00/${'0'.repeat(64)}`,
      };
      assert.equal(await store.read('nothing/here'), undefined);
      await assert.rejects(readBytes(store, artifact), (error) => failedWith(error, 'NotFound'));
      await assert.rejects(store.localKey('nothing/here'), (error) => failedWith(error, 'NotFound'));
      await store.delete('nothing/here');
    });

    test('of 50 creators of one key, one wins and its bytes stay', async () => {
      const tries = Array.from({ length: 50 }, (_, i) => store.create('race/create', `writer ${i}`));
      const won = await Promise.all(tries);
      assert.equal(won.filter(Boolean).length, 1);
      assert.equal(await text(store, 'race/create'), `writer ${won.indexOf(true)}`);
    });

    test('of 50 creators with the same bytes, still only one wins', async () => {
      const won = await Promise.all(Array.from({ length: 50 }, () => store.create('race/same', 'alike')));
      assert.equal(won.filter(Boolean).length, 1);
    });

    test('a swap with a stale etag changes nothing', async () => {
      const first = await store.swap('slots/current.json', 'one', undefined);
      assert(first);
      assert.equal(await store.swap('slots/current.json', 'again', undefined), undefined);
      const second = await store.swap('slots/current.json', 'two', first);
      assert.equal(await store.swap('slots/current.json', 'late', first), undefined);
      assert.deepEqual((await store.read('slots/current.json'))?.etag, second);
      assert.equal(await text(store, 'slots/current.json'), 'two');
      assert.equal(await readFile(await store.localKey('slots/current.json'), 'utf8'), 'two');
      assert.equal(await store.swap('slots/none.json', 'x', first), undefined);
    });

    test(
      'counting by compare-and-swap from three processes loses no step',
      { timeout: 480_000 },
      async () => {
        const times = 20;
        await Promise.all(
          [1, 2, 3].map(() => child('count-up.ts', uri, cacheDir, 'race/count', String(times))),
        );
        assert.equal(await text(store, 'race/count'), String(3 * times));
      },
    );

    test('96 MB stream through in bounded memory, as a blob and as a named object', async () => {
      const artifact = await store.putBlob(megabytes(96), 'application/octet-stream');
      assert.equal(artifact.bytes, 96 << 20);
      let bytes = 0;
      let peak = 0;
      for await (const chunk of store.readBlob(artifact)) {
        bytes += chunk.byteLength;
        if (bytes % (8 << 20) < chunk.byteLength) peak = Math.max(peak, heldBytes());
      }
      assert.equal(bytes, artifact.bytes);
      assert(peak < 48 << 20, `peak of ${peak >> 20} MB`);
      const path = await store.localPath(artifact);
      assert.equal(await store.createFromFile('big/object.bin', path, artifact.mediaType), true);
      assert.equal(await store.createFromFile('big/object.bin', path, artifact.mediaType), false);
      assert.deepEqual(
        await store.putFile(await store.localKey('big/object.bin'), artifact.mediaType),
        artifact,
      );
    });

    test('a listing is sorted by key and holds nothing else', async () => {
      for (const key of ['list/b/1', 'list/a.json', 'list/a/2', 'list/a-1', 'lister'])
        await store.create(key, 'x');
      assert.deepEqual(await keys(store, 'list/'), ['list/a-1', 'list/a.json', 'list/a/2', 'list/b/1']);
      assert.deepEqual(await keys(store, 'list/a'), ['list/a-1', 'list/a.json', 'list/a/2']);
      assert.deepEqual(await keys(store, 'no/such/'), []);
      await store.delete('list/a-1');
      assert.equal((await keys(store, 'list/'))[0], 'list/a.json');
      assert((await keys(store, '')).every((key) => !key.startsWith('.')));
    });

    test('a bad key is refused, however it is used', async () => {
      const bad = [
        '',
        '/etc/passwd',
        '../x',
        'a/../b',
        'a//b',
        'a/',
        'a\\b',
        'a\0b',
        '.tmp/x',
        'x'.repeat(513),
      ];
      for (const key of bad) {
        const refused = (error: unknown) => failedWith(error, 'InvalidInput');
        await assert.rejects(store.read(key), refused, key);
        await assert.rejects(store.create(key, 'x'), refused, key);
        await assert.rejects(store.swap(key, 'x', undefined), refused, key);
        await assert.rejects(store.delete(key), refused, key);
        await assert.rejects(
          store.localPath({ uri: key, sha256: '', bytes: 0, mediaType: '' }),
          refused,
          key,
        );
      }
    });
  });
}

test('a lock whose holder was killed is taken over', async () => {
  const store = await openStore(fileUri, { cacheDir });
  await store.create('race/killed', '0');
  const counting = spawnChild('count-up.ts', fileUri, cacheDir, 'race/killed', '1000000');
  await until(async () => Number(await text(store, 'race/killed')) > 5);
  counting.kill('SIGKILL');
  const started = Date.now();
  await child('count-up.ts', fileUri, cacheDir, 'race/killed', '5');
  assert(Date.now() - started < 5_000);
});

/** Buffers that are really in use: what the collector would not take back now. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().arrayBuffers;
}

async function* megabytes(count: number): AsyncIterable<Uint8Array> {
  for (let i = 0; i < count; i++) yield Buffer.alloc(1 << 20, i);
}

async function* streamOf(...parts: string[]): AsyncIterable<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

async function keys(store: Store, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of store.list(prefix)) found.push(key);
  return found;
}

async function text(store: Store, key: string): Promise<string | undefined> {
  const found = await store.read(key);
  return found && Buffer.from(found.bytes).toString();
}

function spawnChild(module: string, ...args: string[]) {
  const path = fileURLToPath(new URL(`../support/${module}`, import.meta.url));
  return spawn(process.execPath, ['--import', 'tsx', path, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

async function child(module: string, ...args: string[]): Promise<void> {
  const code = await new Promise((resolve) => spawnChild(module, ...args).once('exit', resolve));
  assert.equal(code, 0);
}
