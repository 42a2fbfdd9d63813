/** The ledger: each name once, whoever accepts it, over restarts, in both stores. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { after, before, test } from 'node:test';
import { Fingerprints } from '../../../client/gateway/fingerprints.ts';
import { Inbox } from '../../../client/gateway/inbox.ts';
import { batchKey, segmentKey } from '../../../client/gateway/keys.ts';
import { Segments } from '../../../client/gateway/segments.ts';
import { Batch } from '../../../contracts/inbox.ts';
import type { GatewayEvent } from '../../../contracts/inbox.ts';
import { sha256 } from '../../../infra/digest.ts';
import { armFailpoints } from '../../../infra/failpoint.ts';
import { Refusal } from '../../../infra/refusal.ts';
import { canonicalJson, readJson } from '../../../infra/store/json.ts';
import { openStore } from '../../../infra/store/open.ts';
import type { Store } from '../../../infra/store/store.ts';
import { startS3 } from '../../support/s3.ts';

let folder: string;
before(async () => (folder = await mkdtemp(join(tmpdir(), 'esteira-inbox-'))));
after(() => rm(folder, { recursive: true, force: true }));

const event = (id: string, more: Partial<GatewayEvent> = {}): GatewayEvent => ({
  ...{ id, source: 'plant', type: 'shift.ended', ...more },
});

function open(store: Store, seen: Batch[] = [], from = 0): Promise<Inbox> {
  return Inbox.open(
    {
      store,
      by: 'test',
      listeners: ({ type }) => (type === 'heard' ? ['flights/event'] : []),
      onBatch: (batch) => void seen.push(batch),
      onError: () => {},
    },
    from,
  );
}

const conflict = (error: unknown) => error instanceof Refusal && error.status === 409;

async function fileStore(name: string): Promise<Store> {
  return openStore(pathToFileURL(join(folder, name)).href, { cacheDir: join(folder, 'cache') });
}

/** Every event of the ledger, as it lies in the store. */
async function ledger(store: Store): Promise<string[]> {
  const ids: string[] = [];
  for await (const { key } of store.list('inbox/log/')) {
    const batch = (await readJson(store, key, Batch))!.value;
    ids.push(...batch.events.map(({ caller, event: { source, id } }) => `${caller} ${source} ${id}`));
  }
  return ids;
}

test('an event is accepted once; sent again it is a duplicate, and its id for another event a conflict', async () => {
  const store = await fileStore('once');
  const inbox = await open(store);
  const first = await inbox.accept('ana', event('1', { data: { b: 1, a: [2] } }));
  assert.equal(first.status, 'accepted');
  const again = await inbox.accept('ana', event('1', { data: { a: [2], b: 1 } }));
  assert.deepEqual([again.status, again.seq], ['duplicate', first.seq]);
  await assert.rejects(inbox.accept('ana', event('1', { data: { a: [2], b: 2 } })), conflict);
  assert.equal(
    (await inbox.accept('bob', event('1'))).status,
    'accepted',
    'another caller has ids of their own',
  );
  assert.equal((await inbox.accept('ana', event('1', { source: 'yard' }))).status, 'accepted');
  assert.deepEqual(await ledger(store), ['ana plant 1', 'bob plant 1', 'ana yard 1']);
  const { bytes } = (await store.read(batchKey(0)))!;
  assert.equal(Buffer.from(bytes).toString(), canonicalJson(JSON.parse(Buffer.from(bytes).toString())));
  await store.close();
});

test('those that come together share batches, and a twin among them counts once', async () => {
  const store = await fileStore('together');
  const inbox = await open(store);
  const ids = Array.from({ length: 3_000 }, (_, i) => String(i % 1_500));
  const receipts = await Promise.all(ids.map((id) => inbox.accept('ana', event(id))));
  assert.equal(receipts.filter(({ status }) => status === 'accepted').length, 1_500);
  assert(inbox.next <= 3, `${inbox.next} batches`);
  assert.equal((await ledger(store)).length, 1_500);
  const twins = await Promise.allSettled([
    inbox.accept('ana', event('t', { data: 1 })),
    inbox.accept('ana', event('t', { data: 2 })),
  ]);
  assert.deepEqual(
    twins.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  );
  await store.close();
});

test('several gateways on one store accept a name once between them, and none is lost', async () => {
  const store = await fileStore('several');
  const inboxes = await Promise.all([open(store), open(store), open(store)]);
  const ids = Array.from({ length: 600 }, (_, i) => String(i));
  const accepted = new Map<string, number>();
  const conflicts: string[] = [];
  await Promise.all(
    inboxes.map(async (inbox, gateway) => {
      for (let at = 0; at < ids.length; at += 20) {
        await Promise.all(
          ids.slice(at, at + 20).map(async (id) => {
            // Every third id is another event at each gateway.
            const data = Number(id) % 3 === 0 ? gateway : 'same';
            const receipt = await inbox.accept('ana', event(id, { data })).catch((error: unknown) => {
              assert(conflict(error), String(error));
              conflicts.push(id);
            });
            if (receipt?.status === 'accepted') accepted.set(id, (accepted.get(id) ?? 0) + 1);
          }),
        );
      }
    }),
  );
  assert.deepEqual(
    [...accepted.values()].filter((n) => n !== 1),
    [],
  );
  assert.equal(accepted.size, 600);
  assert.equal(conflicts.length, 400);
  assert.equal(new Set(await ledger(store)).size, 600);
  assert.equal((await ledger(store)).length, 600);
  await store.close();
});

test('a gateway that starts knows all that was accepted, and is told of what may wait', async () => {
  const store = await fileStore('restart');
  const before = await open(store);
  for (let i = 0; i < 5; i++) await before.accept('ana', event(String(i)));
  const seen: Batch[] = [];
  const next = await open(store, seen, 3);
  assert.deepEqual(
    seen.map(({ seq }) => seq),
    [3, 4],
  );
  assert.equal((await next.accept('ana', event('0'))).status, 'duplicate');
  await assert.rejects(next.accept('ana', event('4', { data: 'other' })), conflict);
  await before.accept('ana', event('later'));
  assert.equal((await next.find('ana', 'plant', 'later'))?.seq, 5, 'what another has accepted since');
  await store.close();
});

test('names in full folders are found by the index, without their batches', async () => {
  const store = await fileStore('index');
  const names = new Fingerprints();
  const segments = new Segments(store, names);
  const events = [{ caller: 'a', event: event('x'), digest: sha256(''), to: [] }];
  for (let seq = 0; seq < 1_000; seq++)
    await segments.add({ seq, by: 'test', at: new Date(0).toISOString(), events }, [sha256(`name ${seq}`)]);
  assert(await store.read(segmentKey(0)));
  const read = new Fingerprints();
  assert.equal(await new Segments(store, read).load(), 1_000);
  assert.deepEqual(read.find(sha256('name 777')), [777]);
  assert.deepEqual(read.find(sha256('name 1000')), []);
  await store.close();
});

test('fingerprints find whatever was added, at any size', () => {
  const names = new Fingerprints(2);
  for (let i = 0; i < 20_000; i++) names.add(sha256(String(i)), i);
  for (let i = 0; i < 20_000; i += 97) assert.deepEqual(names.find(sha256(String(i))), [i]);
  names.add(sha256('7'), 99);
  assert.deepEqual(names.find(sha256('7')), [7, 99]);
});

test('a store that fails acknowledges nothing; one whose answer is lost keeps one', async () => {
  const store = await fileStore('failing');
  const inbox = await open(store);
  armFailpoints('gateway:accepting:throw, store:created:throw');
  const away = (error: unknown) => error instanceof Refusal && error.status === 503 && error.retryAfter === 1;
  await assert.rejects(inbox.accept('ana', event('1')), away);
  assert.deepEqual(await ledger(store), []);
  await assert.rejects(inbox.accept('ana', event('1')), away, 'written, and the answer is lost');
  armFailpoints(undefined);
  assert.equal((await inbox.accept('ana', event('1'))).status, 'duplicate');
  assert.equal((await inbox.accept('ana', event('2'))).status, 'accepted');
  assert.deepEqual(await ledger(store), ['ana plant 1', 'ana plant 2']);
  await store.close();
});

test('on S3 two gateways share one ledger, too', async (t) => {
  const s3 = await startS3();
  if (typeof s3 === 'string') return t.skip(s3);
  try {
    const store = await openStore(s3.uri, { cacheDir: join(folder, 's3') });
    const inboxes = await Promise.all([open(store), open(store)]);
    const ids = Array.from({ length: 60 }, (_, i) => String(i));
    const receipts = await Promise.all(
      inboxes.flatMap((inbox) => ids.map((id) => inbox.accept('ana', event(id, { type: 'heard' })))),
    );
    assert.equal(receipts.filter(({ status }) => status === 'accepted').length, 60);
    assert.equal(new Set(await ledger(store)).size, 60);
    assert.deepEqual(receipts[0]!.entry.to, ['flights/event']);
    await store.close();
  } finally {
    await s3.stop();
  }
});
