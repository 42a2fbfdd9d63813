/** Ticks of the past made anew on a real server: each window once, some at once, over runs that go on as new. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BackfillProgress } from '../../contracts/backfill.ts';
import { taskQueues } from '../../contracts/search.ts';
import { artifact, openWorld } from '../support/world.ts';
import type { World } from '../support/world.ts';

let world: World;
before(async () => (world = await openWorld()));
after(() => world.close());

const hour = 3_600_000;

test('each window is made anew once, at most so many at once, and what changed is counted', async () => {
  const seen: string[] = [];
  let [now, most] = [0, 0];
  const activities = {
    ...world.agreeable(),
    monitor: async ({ window, again }: { window: { from: string; until: string }; again?: boolean }) => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setImmediate(resolve));
      now--;
      assert.equal(again, true);
      seen.push(window.from);
      const summary = {
        record: artifact,
        tick: 't',
        window,
        version: 1,
        rows: 1,
        worstPsi: null,
        alerts: [],
      };
      return { ...summary, changed: seen.length % 2 === 0 };
    },
  };
  const from = Date.parse('2001-02-01');
  const windows = 450; // more than one run has
  const plan = {
    ...{ model: 'm', everyMs: hour, parallel: 8 },
    window: { from: new Date(from).toISOString(), until: new Date(from + windows * hour).toISOString() },
  };
  await world.withWorker(activities, async () => {
    const outcome: BackfillProgress = await world.env.client.workflow.execute('backfill', {
      ...{ workflowId: 'backfill/m', taskQueue: taskQueues.cpu, args: [plan] },
    });
    assert.deepEqual(outcome, { done: windows, of: windows, changed: windows / 2 });
  });
  assert.equal(new Set(seen).size, windows);
  assert.equal(seen.length, windows);
  assert.ok(most > 1 && most <= 8, `${most} at once`);
});

test('every run of this file replays', () => world.replayAll());
