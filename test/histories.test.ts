/** Runs of released versions, in the middle of everything a run can be in the middle of: this code goes on with each. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { replay } from '../client/replay.ts';
import { readConfig } from '../infra/config.ts';
import { releasedHistories } from './support/world.ts';

/** What an upgrade may meet; each release since 0.2.0 has a folder for each that it knew. */
const moments = [
  'mid-approval',
  'approved',
  'mid-training',
  'cancelled',
  'mid-rollout',
  'rolled-back',
  'continued',
  'mid-search',
  'searched',
  'reproduced',
  'reused',
  'mid-queue',
  'fell-back',
  'mid-shadow',
  'paused',
  'released',
  'mid-score',
  'scored',
  'watched',
  'mid-delivery',
  'backfilled',
  'waiting',
];

test('every released history replays, and its payloads parse', async () => {
  const released = await releasedHistories();
  const found = await replay(decoded(released), readConfig({}).cacheHome);
  assert.equal(found.length, released.length);
  assert.deepEqual(
    found.filter(({ error }) => error !== null),
    [],
  );
});

test('each moment is among them', async () => {
  const released = await releasedHistories();
  for (const moment of moments)
    assert(
      released.some(({ file }) => file.includes(`/${moment}/`)),
      moment,
    );
});

async function* decoded(released: Awaited<ReturnType<typeof releasedHistories>>) {
  for (const { workflowId, history } of released) {
    yield await Promise.resolve({ workflowId, history: historyFromJSON(history) });
  }
}
