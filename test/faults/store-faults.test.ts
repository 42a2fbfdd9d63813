/** What a faulty server must never bring about: two winners, a stale overwrite, an upload for ever, a start without guarantees. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { forkModule } from '../../infra/child.ts';
import { openStore } from '../../infra/store/open.ts';
import type { Store } from '../../infra/store/store.ts';
import { startFaultyS3 } from '../support/faulty-s3.ts';
import type { FaultyS3 } from '../support/faulty-s3.ts';
import { startS3 } from '../support/s3.ts';
import type { S3Server } from '../support/s3.ts';

const root = await mkdtemp(join(tmpdir(), 'esteira-store-faults-'));
const s3 = await startS3();
const uploads = () => (s3 as S3Server).uploads();
after(async () => {
  if (typeof s3 !== 'string') await s3.stop();
  await rm(root, { recursive: true, force: true });
});

describe('a faulty S3 server', { skip: typeof s3 === 'string' ? s3 : false }, () => {
  let proxy: FaultyS3;
  let store: Store;
  before(async () => {
    assert(typeof s3 !== 'string');
    proxy = await startFaultyS3(s3.endpoint);
    store = await openStore(proxy.uri('faults'), { cacheDir: root });
  });
  after(async () => {
    await store.close();
    await proxy.stop();
  });

  test('that ignores If-None-Match, or only If-Match, is refused at the start', async () => {
    const open = () => openStore(proxy.uri('refused'), { cacheDir: root });
    proxy.set({ operation: 'PutObject', kind: 'unconditional', times: 100 });
    await assert.rejects(open(), /overwrites an object despite If-None-Match: \*: it cannot keep promotions/);
    // The probe creates, creates again, swaps nothing for something, swaps, and swaps by the old ETag.
    proxy.set({ operation: 'PutObject', kind: 'unconditional', at: 5 });
    await assert.rejects(open(), /ignores a stale If-Match: it cannot keep promotions/);
    assert.equal(proxy.struck, 1);
  });

  test('that ignores them keeps the prediction server from starting, in a sentence', async () => {
    proxy.set({ operation: 'PutObject', kind: 'unconditional', times: 100 });
    const said: string[] = [];
    const server = forkModule(new URL('../../serving/server.ts', import.meta.url), {
      args: ['--port', '0'],
      env: { ESTEIRA_HOME: root, ESTEIRA_CACHE: root, ESTEIRA_STORE: proxy.uri('refused') },
      onText: (line) => said.push(line),
    });
    assert.notEqual((await server.exited).code, 0);
    assert.match(said.join('\n'), /the store s3:.* it cannot keep promotions consistent/);
  });

  test('that loses the answer of one of two swappers lets only one win', async () => {
    for (let round = 0; round < 10; round++) {
      const etag = (await store.read('slot'))?.etag;
      proxy.set({ operation: 'PutObject', kind: 'lost', at: 1 + (round % 2) });
      const tried = await Promise.all(['a', 'b'].map((who) => store.swap('slot', `${who} ${round}`, etag)));
      assert.equal(proxy.struck, 1);
      const won = tried.findIndex((answer) => answer !== undefined);
      assert.equal(tried.filter((answer) => answer !== undefined).length, 1, `round ${round}`);
      const now = await store.read('slot');
      assert.equal(String(now && Buffer.from(now.bytes)), `${'ab'[won]} ${round}`);
      assert.equal(now?.etag, tried[won]);
    }
  });

  test('that answers what was true before cannot make a swap overwrite what is', async () => {
    proxy.set();
    const first = await store.swap('stale', 'one', undefined);
    await store.read('stale');
    await store.swap('stale', 'two', first);
    await store.read('stale');
    proxy.set({ operation: 'GetObject', kind: 'stale' });
    const seen = await store.read('stale');
    assert.deepEqual([String(Buffer.from(seen!.bytes)), seen!.etag], ['one', first], 'the fault was met');
    assert.equal(await store.swap('stale', 'three', seen!.etag), undefined);
  });

  test('that gives a wrong ETag makes the next swap lose, and no more', async () => {
    proxy.set({ operation: 'PutObject', kind: 'badEtag' });
    const wrong = await store.swap('etag', 'one', undefined);
    assert.equal(await store.swap('etag', 'two', wrong), undefined);
    const right = await store.read('etag');
    assert.notEqual(await store.swap('etag', 'two', right?.etag), undefined);
  });

  test('that refuses to abort an upload is asked again when the store is closed', async () => {
    proxy.set(
      { operation: 'UploadPart', kind: '500', at: 2, times: 100 },
      { operation: 'AbortMultipartUpload', kind: '500', times: 100 },
    );
    const path = join(root, 'big');
    await writeFile(path, Buffer.alloc(20 << 20));
    const other = await openStore(proxy.uri('aborted'), { cacheDir: root });
    await assert.rejects(other.putFile(path, 'any'));
    assert.equal((await uploads()).length, 1);
    proxy.set();
    await other.close();
    assert.deepEqual(await uploads(), []);
  });

  test('that begins an upload and loses the answer is rid of it after a day', async () => {
    const path = join(root, 'orphan');
    await writeFile(path, Buffer.alloc(9 << 20, 'orphan'));
    const other = await openStore(proxy.uri('orphans'), { cacheDir: root });
    proxy.set({ operation: 'CreateMultipartUpload', kind: 'lost' });
    assert.equal(await other.createFromFile('new', path, 'any'), true);
    await other.sweep();
    assert.equal((await uploads()).length, 1, 'it may be that of another machine');
    proxy.set({ operation: 'ListMultipartUploads', kind: 'aged' });
    await store.sweep();
    assert.equal((await uploads()).length, 1, 'it is of another prefix');
    proxy.set({ operation: 'ListMultipartUploads', kind: 'aged' });
    await other.sweep();
    assert.deepEqual(await uploads(), []);
    await other.close();
  });

  test('whose upload somebody aborts never makes a blob that is not there', async () => {
    const path = join(root, 'other');
    await writeFile(path, Buffer.alloc(9 << 20, 'other'));
    proxy.set({ operation: 'CompleteMultipartUpload', kind: '404', times: 100 });
    await assert.rejects(store.putFile(path, 'any'), { name: 'NoSuchUpload' });
    await assert.rejects(store.createFromFile('new', path, 'any'), { name: 'NoSuchUpload' });
    proxy.set();
    assert.equal(await store.createFromFile('new', path, 'any'), true);
  });
});
