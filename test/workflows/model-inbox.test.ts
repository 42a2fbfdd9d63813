/** The model entity's inbox on a real server: every trigger has one disposition. Stages are stand-ins. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { AllActivities } from '../../contracts/activities.ts';
import type { Trigger } from '../../contracts/lifecycle.ts';
import type { ProjectSetup } from '../../contracts/model.ts';
import { setup, trigger, entity as entityOf, day } from '../support/entity.ts';
import { artifact, openWorld, scorecard } from '../support/world.ts';
import type { World } from '../support/world.ts';
import { until } from '../support/until.ts';

let world: World;
before(async () => (world = await openWorld()));
after(() => world.close());

const entity = (name: string, limit?: number) => entityOf(world, name, limit);
const withWorker = (change: Partial<AllActivities>, act: () => Promise<void>) =>
  world.withWorker({ ...world.agreeable(), ...change }, act);

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
      const { memo } = await world.env.client.workflow.getHandle('lifecycle/busy/2').describe();
      const asked = memo!['trigger'] as Trigger;
      assert.equal(asked.reason, 'drift of x; worse');
      assert.equal(asked.at, day(6));
    },
  );
});

test('what waits goes first when the run before it ends while another trigger is on its way (seed 111)', () => {
  const [ends, looks] = [gate(), gate()];
  const { agreeable } = world;
  const { ask, describe, idle } = entity('orderly');
  const [first, waits, late] = [1, 2, 3].map((n) => trigger({ at: day(n), reason: `the ${n}.` }));
  return withWorker(
    {
      // Bad data, for a rollout would ask the entity, which is busy with the trigger.
      validate: async ({ lifecycleId }) => {
        const first = lifecycleId === 'lifecycle/orderly/1';
        if (first) await ends.opened;
        return { passed: !first, broken: [], checks: 1, profile: artifact };
      },
      findDisposition: async (input) => {
        if (input.id === late!.id) await looks.opened;
        return agreeable().findDisposition(input);
      },
    },
    async () => {
      await ask(first!, setup('orderly'));
      assert.equal((await ask(waits!)).status, 'merged');
      const asked = ask(late!);
      await until(() => Promise.resolve(looks.reached()));
      ends.open();
      await until(async () => (await describe()).inFlight === null);
      looks.open();
      assert.deepEqual(await asked, { status: 'merged', behind: 'lifecycle/orderly/2' });
      const { memo } = await world.env.client.workflow.getHandle('lifecycle/orderly/2').describe();
      assert.equal((memo!['trigger'] as Trigger).reason, 'the 2.');
      await until(async () => (await describe()).lifecycles === 3);
      await idle();
    },
  );
});

/** Whoever awaits it stands until it is opened. */
function gate() {
  let open = (): void => {};
  let reached = false;
  const promise = new Promise<void>((resolve) => (open = resolve));
  return {
    open: () => open(),
    reached: () => reached,
    get opened() {
      reached = true;
      return promise;
    },
  };
}

test('a model without a project ignores triggers, and says why', () =>
  withWorker({}, async () => {
    const { ask } = entity('unborn');
    const disposition = await ask(trigger({ kind: 'drift' }));
    assert.deepEqual(disposition, { status: 'ignored', why: 'no project was ever run for this model' });
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

test('replay: this code retells every run of this file', () => world.replayAll());
