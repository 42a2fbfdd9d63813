/** Drives on a real store: which events a trigger carries, when two gateways are at it, and when very many wait. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { after, before, test } from 'node:test';
import { Drives } from '../../../client/gateway/drives.ts';
import type { HeardBatch } from '../../../client/gateway/hearing.ts';
import { settledKey } from '../../../client/gateway/keys.ts';
import { permanent } from '../../../contracts/failures.ts';
import { Settled } from '../../../contracts/inbox.ts';
import type { Disposition } from '../../../contracts/model.ts';
import { canonicalJson, readJson } from '../../../infra/store/json.ts';
import { openStore } from '../../../infra/store/open.ts';
import type { Store } from '../../../infra/store/store.ts';
import { until } from '../../support/until.ts';

let folder: string;
before(async () => (folder = await mkdtemp(join(tmpdir(), 'esteira-drives-'))));
after(() => rm(folder, { recursive: true, force: true }));

const entry = (id: string): HeardBatch['events'][number] => ({
  ...{ caller: 'ana', digest: 'a'.repeat(64), to: ['m/event'] },
  event: { id, source: 's', type: 't', time: '2099-01-01T00:00:00Z' },
});
const batch = (seq: number): HeardBatch => ({
  ...{ seq, by: 'test', at: '2026-01-01T00:00:00.000Z', events: [entry(String(seq))] },
});

/** An entity that answers each id once, and files what it answered. */
function model(store: Store) {
  const asked: string[] = [];
  const trigger = async (
    name: string,
    { trigger: { id, at } }: { trigger: { id: string; at: string } },
  ): Promise<Disposition> => {
    asked.push(id);
    assert.equal(at, '2026-01-01T00:00:00.000Z', 'a clock that is ahead moves nothing');
    const disposition = { status: 'merged', behind: 'lifecycle/m/1' } as const;
    const filed = { trigger: { id, kind: 'event', by: 'b', reason: 'r', at }, disposition };
    const first = await store.create(`events/${name}/${id}.json`, canonicalJson(filed));
    return first ? disposition : { status: 'duplicate' };
  };
  return { asked, trigger };
}

const open = (name: string) =>
  openStore(pathToFileURL(join(folder, name)).href, { cacheDir: join(folder, 'cache') });
const quiet = { onError: () => {}, pauseMs: 1, graceMs: 1 };
const merged = { status: 'merged', behind: 'lifecycle/m/1' };

async function told(drives: Drives, seq: number): Promise<unknown> {
  let found: unknown = null;
  await until(async () => (found = await drives.dispositionOf(seq, entry(String(seq)))) !== null);
  return found;
}

test('two gateways at the same events tell the model of each once, and both know what it answered', async () => {
  const store = await open('two');
  const { asked, trigger } = model(store);
  const both = [new Drives({ store, trigger, ...quiet }), new Drives({ store, trigger, ...quiet })];
  for (let seq = 0; seq < 30; seq++) {
    both[seq % 2]!.note(batch(seq), true);
    both[(seq + 1) % 2]!.note(batch(seq), false);
    if (seq % 5 === 0) await told(both[0]!, seq);
  }
  for (const drives of both)
    for (const seq of [0, 7, 29]) {
      const { status, models } = (await told(drives, seq)) as {
        status: string;
        models: { disposition: object }[];
      };
      assert.deepEqual([status, models.length, models[0]!.disposition], ['told', 1, merged]);
    }
  const ids = new Set(asked);
  assert.deepEqual(
    [...ids].toSorted(),
    Array.from({ length: ids.size }, (_, i) => `event/${i + 1}`).toSorted(),
  );
  await Promise.all(both.map((drives) => drives.close()));
  await store.close();
});

test('while a model cannot be told, very many wait; then one trigger carries them, and nothing was passed over', async () => {
  const store = await open('many');
  const { asked, trigger } = model(store);
  let away = true;
  const drives = new Drives({
    ...{ store, ...quiet },
    trigger: (name, request) => (away ? Promise.reject(new Error('away')) : trigger(name, request)),
  });
  drives.note(batch(0), true);
  await until(async () => (await store.read('inbox/drives/m/event/000000000001.json')) !== undefined);
  for (let seq = 1; seq < 5_000; seq++) drives.note(batch(seq), true);
  assert.equal(drives.waiting.events, 5_000);
  await drives.settle(5_000);
  assert.equal((await readJson(store, settledKey, Settled))?.value.before, 0);
  away = false;
  await told(drives, 4_999);
  assert.equal(new Set(asked).size, 2);
  await drives.settle(5_000);
  assert.equal((await readJson(store, settledKey, Settled))?.value.before, 5_000);
  await drives.close();
  await store.close();
});

test('what the model refuses for good is answered by that, and holds up nothing', async () => {
  const store = await open('refused');
  const trigger = async () => {
    throw permanent('InvalidInput', 'trigger.at: is no time', { issues: [] });
  };
  const drives = new Drives({ store, trigger, ...quiet });
  drives.note(batch(0), true);
  const { models } = (await told(drives, 0)) as { models: { disposition: object }[] };
  assert.deepEqual(models[0]!.disposition, { status: 'ignored', why: 'refused: trigger.at: is no time' });
  await drives.close();
  await store.close();
});
