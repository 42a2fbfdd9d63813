/**
 * The model entity and what it owns, on a real server: triggers, versions, slots, rollouts. The
 * stages are stand-ins; the messages between workflows are real.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { WithStartWorkflowOperation } from '@temporalio/client';
import { permanent } from '../../contracts/failures.ts';
import type { AllActivities } from '../../contracts/activities.ts';
import type { LifecycleOutcome, Trigger } from '../../contracts/lifecycle.ts';
import type { Disposition, ProjectSetup } from '../../contracts/model.ts';
import { modelWorkflowId, rolloutWorkflowId, taskQueues } from '../../contracts/search.ts';
import {
  activateUpdate,
  describeQuery,
  requestPromotionUpdate,
  rollbackUpdate,
  triggerSignal,
  triggerUpdate,
} from '../../workflows/messages.ts';
import { model } from '../../workflows/model.ts';
import { artifact, openWorld, scorecard, until } from '../support/world.ts';
import type { World } from '../support/world.ts';

let world: World;
before(async () => (world = await openWorld()));
after(() => world.close());

const day = (n: number) => new Date(Date.UTC(2001, 1, n)).toISOString();

function setup(name: string, change: Partial<ProjectSetup> = {}): ProjectSetup {
  return {
    model: name,
    project: artifact,
    windowMs: 31 * 86_400_000,
    cooldownMs: 3 * 86_400_000,
    monitorEveryMs: 86_400_000,
    bakes: [{ share: 0.5, bakeMs: 20 }],
    policy: { policy: 'auto' },
    policyDigest: 'a'.repeat(64),
    deadlineMs: 60_000,
    device: 'cpu',
    ...change,
  };
}

let ids = 0;
function trigger(change: Partial<Trigger> = {}): Trigger {
  return { id: `t${++ids}`, kind: 'manual', by: 'ana', reason: 'because', at: day(1), ...change };
}

/** One model's entity, and how tests talk to it. `limit` makes it continue as new early. */
function entity(name: string, limit = 4_000) {
  const { client } = world.env;
  const handle = client.workflow.getHandle<typeof model>(modelWorkflowId(name));
  return {
    handle,
    ask: (asked: Trigger, project?: ProjectSetup): Promise<Disposition> =>
      client.workflow.executeUpdateWithStart(triggerUpdate, {
        args: [{ trigger: asked, ...(project && { setup: project }) }],
        startWorkflowOperation: new WithStartWorkflowOperation(model, {
          workflowId: modelWorkflowId(name),
          taskQueue: taskQueues.cpu,
          args: [name, limit],
          workflowIdConflictPolicy: 'USE_EXISTING',
        }),
      }),
    outcome: (disposition: Disposition): Promise<LifecycleOutcome> => {
      assert.equal(disposition.status, 'started');
      return client.workflow.getHandle((disposition as { lifecycleId: string }).lifecycleId).result();
    },
    describe: () => handle.query(describeQuery),
    idle: () => until(async () => (await handle.query(describeQuery)).inFlight === null),
  };
}

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

test('every trigger has one disposition: started, merged, duplicate, ignored', () => {
  let finish = (): void => {};
  const slow = new Promise<void>((resolve) => (finish = resolve));
  const { agreeable } = world;
  return withWorker(
    {
      ingest: async (input) => {
        if (input.lifecycleId === 'lifecycle/busy/1') await slow;
        return agreeable().ingest(input);
      },
    },
    async () => {
      const { ask, describe, idle } = entity('busy');
      const first = trigger({ at: day(1) });
      assert.equal((await ask(first, setup('busy'))).status, 'started');
      assert.equal((await ask(first)).status, 'duplicate');
      const early = await ask(trigger({ kind: 'drift', at: day(2) }));
      assert.deepEqual(early, { status: 'ignored', why: `cooldown until ${day(4)}` });
      const later = { status: 'merged', behind: 'lifecycle/busy/1' };
      assert.deepEqual(await ask(trigger({ kind: 'drift', at: day(5), reason: 'drift of x' })), later);
      assert.deepEqual(await ask(trigger({ kind: 'quality', at: day(6), reason: 'worse' })), later);
      finish();
      await until(async () => (await describe()).lifecycles === 2);
      await idle();
      const [carried] = world.told.dispositions
        .filter(({ request }) => request.trigger.kind === 'drift')
        .slice(-1);
      assert.equal(carried?.disposition.status, 'merged');
      const history = await world.env.client.workflow.getHandle('lifecycle/busy/2').describe();
      assert.equal((history.memo?.['trigger'] as Trigger).reason, 'drift of x; worse');
      assert.equal((history.memo?.['trigger'] as Trigger).at, day(6));
    },
  );
});

test('a model without a project ignores triggers, and says why', () =>
  withWorker({}, async () => {
    const { ask } = entity('unborn');
    const disposition = await ask(trigger({ kind: 'drift' }));
    assert.deepEqual(disposition, { status: 'ignored', why: 'no project was ever run for this model' });
  }));

test('a trigger by signal counts, a malformed one does no harm', () =>
  withWorker({}, async () => {
    const { ask, handle, describe } = entity('signalled');
    await ask(trigger({ kind: 'drift' }));
    await handle.signal(triggerSignal, { nonsense: true } as never);
    await handle.signal(triggerSignal, { trigger: trigger(), setup: setup('signalled') });
    await until(async () => (await describe()).slots?.champion?.version === 1);
  }));

test('a missed gate ends the run before anybody is asked; a drill overrules it', () =>
  withWorker(
    {
      evaluate: async () => ({
        ...scorecard,
        passed: false,
        gates: [{ ...scorecard.gates[0]!, passed: false }],
      }),
      deploy: async () => assert.fail('deployed a model that missed its gate'),
    },
    async () => {
      const { ask, outcome } = entity('poor');
      assert.equal((await outcome(await ask(trigger(), setup('poor')))).status, 'gate-missed');
    },
  ));

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
    const mine = await request(2);
    const newer = await request(2);
    assert.ok(mine.accepted && newer.accepted);
    const late = await handle.executeUpdate(activateUpdate, {
      args: [{ ticket: mine.ticket, version: 2, to: 'champion', share: 0, reason: 'late' }],
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

test('state survives continue-as-new: versions, slots, seen triggers, the lifecycle in flight', () =>
  withWorker({}, async () => {
    const { ask, outcome, describe, handle, idle } = entity('ageless', 40);
    const first = trigger();
    const { firstExecutionRunId } = await (async () => {
      await outcome(await ask(first, setup('ageless')));
      return handle.describe().then(({ runId }) => ({ firstExecutionRunId: runId }));
    })();
    for (let i = 0; i < 4; i++) {
      await idle();
      await outcome(await ask(trigger()));
    }
    await idle();
    assert.notEqual((await handle.describe()).runId, firstExecutionRunId, 'it never continued as new');
    assert.equal((await ask(first)).status, 'duplicate');
    const { slots, versions, lifecycles } = await describe();
    assert.equal(slots?.champion?.version, 5);
    assert.deepEqual([versions.length, lifecycles], [5, 5]);
  }));

test('a terminated lifecycle does not block its model for ever', () =>
  withWorker({}, async () => {
    const { ask, describe } = entity('lost');
    const policy = {
      policy: 'people',
      need: { risk: 1 },
      people: { risk: ['*'] },
    } as unknown as ProjectSetup['policy'];
    await ask(trigger(), setup('lost', { policy }));
    await world.env.client.workflow.getHandle('lifecycle/lost/1').terminate('drill');
    const second = await ask(trigger(), setup('lost'));
    assert.deepEqual(second, { status: 'started', lifecycleId: 'lifecycle/lost/2' });
    await until(async () => (await describe()).slots?.champion?.version === 1);
  }));

test('replay: this code retells every history, its own and the released ones', () => world.replayAll());
