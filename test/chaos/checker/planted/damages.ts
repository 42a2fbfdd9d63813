/** Damage done to a place that has come to rest, for the gatherer to see: files as a fault would leave them. */
import assert from 'node:assert/strict';
import { appendFile, chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Belt } from '../../../support/belt.ts';
import type { Invariant } from '../breach.ts';
import type { Place } from '../gather.ts';

interface Damage {
  invariant: Invariant;
  what: string;
  /** How the breach is worded. */
  claim: RegExp;
  damage(belt: Belt, place: Place): Promise<unknown>;
}

const canary = 'cobalt77';

async function keyUnder({ store }: Place, prefix: string): Promise<string> {
  for await (const { key } of store.list(prefix)) return key;
  return assert.fail(`nothing under ${prefix}`);
}

export const damages: Damage[] = [
  {
    ...{ invariant: 'I10', what: 'one byte of a blob', claim: /holds other bytes/ },
    async damage(_, place) {
      const path = await place.store.localKey(await keyUnder(place, 'blobs/'));
      const bytes = await readFile(path);
      bytes[0]! ^= 1;
      await chmod(path, 0o644);
      await writeFile(path, bytes);
    },
  },
  {
    ...{ invariant: 'I10', what: 'a half-written object', claim: /half-written/ },
    damage: (_, { storeFolder }) => writeFile(join(storeFolder!, '.tmp', 'half'), 'ha'),
  },
  {
    ...{ invariant: 'I10', what: 'an object cut short', claim: /current\.json is not whole/ },
    damage: (_, { storeFolder }) => writeFile(join(storeFolder!, 'models/asks/current.json'), '{"model":'),
  },
  {
    ...{
      invariant: 'I5',
      what: 'a file of the prediction log',
      claim: /answered predictions of alone are in no log/,
    },
    damage: async (_, place) => place.store.delete(await keyUnder(place, 'predictions/alone/')),
  },
  {
    ...{ invariant: 'I5', what: 'a file of labels', claim: /accepted labels of alone are in no log/ },
    damage: async (_, place) => place.store.delete(await keyUnder(place, 'labels/alone/')),
  },
  {
    ...{ invariant: 'I1', what: 'an epoch', claim: /epochs of alone have a gap/ },
    damage: (_, { store }) => store.delete('models/alone/slots/4.json'),
  },
  {
    ...{ invariant: 'I7', what: 'a record', claim: /records of asks\/1 have a gap/ },
    damage: (_, { store }) => store.delete('approvals/asks/1/2.json'),
  },
  {
    ...{ invariant: 'I14', what: 'a secret in a log', claim: /worker\.log holds cobalt77/ },
    damage: ({ home }) => appendFile(join(home, 'logs', 'worker.log'), `{"msg":"${canary}"}\n`),
  },
  {
    ...{ invariant: 'I14', what: 'a secret in a card', claim: /blobs\/.* holds cobalt77/ },
    // Far behind the first chunk, and across the end of one.
    damage: (_, { store }) => store.putBlob(`${'x'.repeat((1 << 20) - 4)}${canary}`, 'text/markdown'),
  },
  {
    ...{
      invariant: 'I14',
      what: 'a secret in a named object',
      claim: /monitor\/alone\/t\.json holds cobalt77/,
    },
    damage: (_, { store }) => store.create('monitor/alone/t.json', `{"token":"${canary}"}`),
  },
  {
    ...{ invariant: 'I13', what: 'a work folder', claim: /folders of attempts/ },
    damage: ({ home }) => mkdir(join(home, 'work', 'train-somewhere-1-abc')),
  },
  {
    ...{ invariant: 'I13', what: 'a waiter of a lock', claim: /waiters of locks/ },
    async damage(_, { storeFolder }) {
      await mkdir(join(storeFolder!, '.locks', 'a'), { recursive: true });
      await writeFile(join(storeFolder!, '.locks', 'a', '.waiter'), '{}');
    },
  },
  {
    ...{ invariant: 'I13', what: 'a journal', claim: /journals/ },
    async damage({ home }) {
      await mkdir(join(home, 'serving', 'gone'), { recursive: true });
      const header = JSON.stringify({ kind: 'labels', model: 'alone', seq: '1' });
      await writeFile(
        join(home, 'serving', 'gone', 'journal-1.jsonl'),
        `${header}\n{"id":"late","label":"1"}\n{"id":"cu`,
      );
    },
  },
  {
    ...{ invariant: 'I9', what: 'the bundle', claim: /was not replayed/ },
    damage: async (_, place) => place.server.replays.pop(),
  },
  {
    ...{ invariant: 'I6', what: 'the whole ledger', claim: /nothing carried it/ },
    damage: async (_, { store }) => {
      const trigger = {
        id: 'lost',
        kind: 'manual',
        by: 'ana',
        reason: 'never seen',
        at: '2001-02-01T00:00:00.000Z',
      };
      const disposition = { status: 'merged', behind: 'lifecycle/alone/3' };
      await store.create('events/alone/lost.json', JSON.stringify({ trigger, disposition }));
    },
  },
  {
    ...{ invariant: 'I1', what: 'the newest epoch', claim: /current\.json of alone is not its last epoch/ },
    damage: ({ esteira }) => rm(new URL(`${esteira.store.uri}/models/alone/current.json`)),
  },
  {
    ...{ invariant: 'I13', what: 'a process', claim: /^1 processes/ },
    damage: async () => {}, // the test starts it, and ends it
  },
  { ...{ invariant: 'I13', what: 'a port', claim: /^1 ports/ }, damage: async () => {} },
];
