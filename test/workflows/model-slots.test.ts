/** Versions and slots on a real server: promotions, rollbacks, refusals. Stages are stand-ins. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { AllActivities } from '../../contracts/activities.ts';
import type { Verdict } from '../../contracts/approval.ts';
import { permanent } from '../../contracts/failures.ts';
import { rolloutWorkflowId } from '../../contracts/search.ts';
import {
  activateUpdate,
  registerUpdate,
  requestPromotionUpdate,
  rollbackUpdate,
} from '../../workflows/messages.ts';
import { day, setup, trigger, entity as entityOf } from '../support/entity.ts';
import { artifact, openWorld } from '../support/world.ts';
import type { World } from '../support/world.ts';
import { until } from '../support/until.ts';

let world: World;
before(async () => (world = await openWorld()));
after(() => world.close());

const entity = (name: string, limit?: number) => entityOf(world, name, limit);
const withWorker = (change: Partial<AllActivities>, act: () => Promise<void>) =>
  world.withWorker({ ...world.agreeable(), ...change }, act);

test('two lifecycles make two versions; the second is promoted over the first by canary', () =>
  withWorker({}, async () => {
    const { ask, outcome, describe, idle } = entity('steady');
    assert.equal((await outcome(await ask(trigger(), setup('steady')))).status, 'deployed');
    await idle();
    assert.equal((await outcome(await ask(trigger()))).status, 'deployed');
    await idle();
    const { slots, versions } = await describe();
    assert.equal(slots?.champion?.version, 2);
    assert.equal(slots?.previous?.version, 1);
    assert.equal(slots?.challenger, null);
    assert.equal(versions.length, 2);
    const epochs = world.told.slots.filter((one) => one.model === 'steady').map((one) => one.epoch);
    assert.deepEqual(epochs, [1, 2, 3, 4, 5]); // load, promote; load, half, promote
  }));

test('a challenger that looks bad is taken back and barred; the champion stays', () => {
  const { agreeable } = world;
  return withWorker(
    {
      observe: async (input) => ({
        ...(await agreeable().observe(input)),
        healthy: false,
        reason: 'it disagrees',
      }),
    },
    async () => {
      const { ask, outcome, describe, idle } = entity('careful');
      await outcome(await ask(trigger(), setup('careful')));
      await idle();
      const second = await outcome(await ask(trigger()));
      assert.equal(second.status, 'rolled-back');
      const { slots, versions } = await describe();
      assert.equal(slots?.champion?.version, 1);
      assert.equal(slots?.challenger, null);
      assert.match(versions[1]!.quarantined!, /disagrees/);
    },
  );
});

test('a rollback during a rollout wins, and the rollout ends as superseded', () =>
  withWorker({}, async () => {
    const { ask, outcome, describe, handle, idle } = entity('torn');
    await outcome(await ask(trigger(), setup('torn')));
    await idle();
    const second = await ask(trigger(), setup('torn', { bakes: [{ share: 0.5, bakeMs: 600_000 }] }));
    await until(async () => (await describe()).slots?.challenger?.share === 0.5);
    const answer = await handle.executeUpdate(rollbackUpdate, {
      args: [{ by: 'ops', reason: 'pages are red' }],
    });
    assert.equal(answer.accepted && answer.version, 1);
    assert.equal((await outcome(second)).status, 'superseded');
    const { slots } = await describe();
    assert.equal(slots?.champion?.version, 1);
    assert.equal(slots?.challenger, null);
  }));

test('rolling back goes to the last good version, and no further', () =>
  withWorker({}, async () => {
    const { ask, outcome, describe, handle, idle } = entity('back');
    for (let i = 0; i < 2; i++) {
      await outcome(await ask(trigger(), setup('back')));
      await idle();
    }
    const back = () => handle.executeUpdate(rollbackUpdate, { args: [{ by: 'ops', reason: 'worse' }] });
    const first = await back();
    assert.equal(first.accepted && first.version, 1);
    const again = await back();
    assert.equal(again.accepted === false && again.code, 'no-previous');
    assert.equal((await describe()).slots?.champion?.version, 1);
  }));

const digest = 'a'.repeat(64);
const subject = {
  ...{
    model: 'race',
    modelDigest: digest,
    datasetDigest: digest,
    scorecardDigest: digest,
    policyDigest: digest,
  },
};

test('of two promotions at once the newer wins, and a late shift of the older is refused', () =>
  withWorker({}, async () => {
    const { ask, outcome, handle, idle, describe } = entity('race');
    for (let i = 0; i < 3; i++) {
      await outcome(await ask(trigger(), setup('race')));
      await idle();
    }
    await handle.executeUpdate(rollbackUpdate, { args: [{ by: 'ops', reason: 'drill' }] }); // 2 serves, 3 is barred
    const request = (version: number) =>
      handle.executeUpdate(requestPromotionUpdate, {
        args: [{ version, lifecycleId: `lifecycle/race/${version}` }],
      });
    const [older, barred] = await Promise.all([request(1), request(3)]);
    assert.equal(older.accepted === false && older.code, 'superseded');
    assert.equal(barred.accepted === false && barred.code, 'quarantined');
    const champion = await request(2);
    assert.equal(champion.accepted === false && champion.code, 'superseded', 'it serves already');
    const verdict: Verdict = {
      ...{ requestId: 'race/4', status: 'approved', policy: 'auto', decisions: [], subject, at: day(1) },
    };
    const made = { lifecycleId: 'lifecycle/race/4', package: artifact, onnx: artifact };
    await handle.executeUpdate(registerUpdate, { args: [{ ...made, verdict }] });
    const mine = await request(4);
    const newer = await request(4);
    assert.ok(mine.accepted && newer.accepted);
    const late = await handle.executeUpdate(activateUpdate, {
      args: [{ ticket: mine.ticket, version: 4, to: 'champion', share: 0, reason: 'late' }],
    });
    assert.equal(late.accepted === false && late.code, 'superseded');
    assert.equal((await describe()).slots?.champion?.version, 2);
  }));

test('an unapproved version is refused where it takes effect', () =>
  withWorker(
    {
      writeSlots: async ({ model: name }) => {
        throw permanent('NotApproved', 'no decision', { model: name, version: 1 });
      },
    },
    async () => {
      const { ask, outcome, describe } = entity('forged');
      const ended = await outcome(await ask(trigger(), setup('forged')));
      assert.equal(ended.status, 'superseded');
      assert.equal((await describe()).slots, null);
    },
  ));

test('a slot that somebody else moved ends the run as superseded, at once', () =>
  withWorker(
    {
      writeSlots: async ({ model: name, epoch }) => {
        throw permanent('StaleEpoch', 'the store is ahead', { model: name, epoch, current: 9 });
      },
    },
    async () => {
      const { ask, outcome } = entity('outrun');
      const { status } = await outcome(await ask(trigger(), setup('outrun')));
      assert.equal(status, 'superseded');
    },
  ));

test('cancelling a lifecycle in its bake gives the challenger slot back', () =>
  withWorker({}, async () => {
    const { ask, outcome, describe, idle } = entity('stopped');
    await outcome(await ask(trigger(), setup('stopped')));
    await idle();
    const second = await ask(trigger(), setup('stopped', { bakes: [{ share: 0.5, bakeMs: 600_000 }] }));
    await until(async () => (await describe()).slots?.challenger?.share === 0.5);
    await world.env.client.workflow.getHandle('lifecycle/stopped/2').cancel();
    await assert.rejects(outcome(second));
    await idle();
    assert.equal((await describe()).slots?.challenger, null);
    const rollout = await world.env.client.workflow.getHandle(rolloutWorkflowId('stopped', 2)).describe();
    assert.equal(rollout.status.name, 'CANCELLED');
  }));

test('replay: this code retells every run of this file', () => world.replayAll());
