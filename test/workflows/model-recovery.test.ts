/** The model entity after what no message foresees: resets, terminations, lost answers, messages of strangers. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { WithStartWorkflowOperation } from '@temporalio/client';
import type { AllActivities } from '../../contracts/activities.ts';
import { permanent } from '../../contracts/failures.ts';
import type { Disposition, PromotionAnswer, Recalled } from '../../contracts/model.ts';
import { modelWorkflowId, taskQueues } from '../../contracts/search.ts';
import type { Slots } from '../../contracts/serving.ts';
import { entity as entityOf, setup, trigger } from '../support/entity.ts';
import { artifact, dataset, openWorld } from '../support/world.ts';
import type { World } from '../support/world.ts';
import { until } from '../support/until.ts';

let world: World;
before(async () => (world = await openWorld()));
after(() => world.close());

const entity = (name: string) => entityOf(world, name);
const withWorker = (change: Partial<AllActivities>, act: () => Promise<void>) =>
  world.withWorker({ ...world.agreeable(), ...change }, act);
const raw = (name: string) => world.env.client.workflow.getHandle(modelWorkflowId(name));
const long = { bakes: [{ share: 0.5, bakeMs: 600_000 }] };

/** What a store would remember of a model with `versions` versions. */
function remembered(model: string, versions: number, epoch: number): Recalled {
  const of = (version: number) => ({
    version,
    lifecycleId: `lifecycle/${model}/${version + 100}`,
    package: artifact,
  });
  const slots: Slots = {
    ...{ model, epoch, champion: of(versions), challenger: null, previous: null },
    ...{ reason: 'then', by: 'ana', at: '2001-01-01T00:00:00.000Z' },
  };
  return {
    lifecycles: versions,
    nextVersion: versions + 1,
    versions: Array.from({ length: versions }, (_, i) => ({
      ...of(i + 1),
      onnx: artifact,
      quarantined: null,
    })),
    slots,
    inFlight: null,
    waiting: [],
  };
}

test('a lifecycle that is terminated does not keep others waiting, nor its challenger in its slot', () =>
  withWorker({}, async () => {
    const { ask, outcome, describe, idle } = entity('terminated');
    await outcome(await ask(trigger(), setup('terminated')));
    await idle();
    await ask(trigger(), setup('terminated', long));
    await until(async () => (await describe()).slots?.challenger?.share === 0.5);
    assert.equal((await ask(trigger(), setup('terminated'))).status, 'merged');
    await world.env.client.workflow.getHandle('lifecycle/terminated/2').terminate('gone');
    const third = { status: 'started' as const, lifecycleId: 'lifecycle/terminated/3' };
    const started = world.env.client.workflow.getHandle(third.lifecycleId);
    // It is counted before it is started.
    await until(() =>
      started.describe().then(
        () => true,
        () => false,
      ),
    );
    assert.equal((await outcome(third)).status, 'deployed');
    await until(async () => (await describe()).slots?.challenger === null);
  }));

test('a challenger whose rollout is terminated is taken back', () =>
  withWorker({}, async () => {
    const { ask, outcome, describe, idle } = entity('orphan');
    await outcome(await ask(trigger(), setup('orphan')));
    await idle();
    const second = await ask(trigger(), setup('orphan', long));
    await until(async () => (await describe()).slots?.challenger?.share === 0.5);
    await world.env.client.workflow.getHandle('rollout/orphan/2').terminate('gone');
    await assert.rejects(outcome(second));
    await until(async () => (await describe()).slots?.challenger === null);
    assert.equal((await describe()).slots?.champion?.version, 1);
  }));

test('an epoch, a version and a number that were used in a past which a reset took away are passed over', async () => {
  let store: Recalled | undefined;
  const used = new Set<number>();
  await withWorker(
    {
      recall: async ({ model }) =>
        store ?? {
          ...remembered(model, 1, 1),
          ...{ lifecycles: 0, versions: [], nextVersion: 1, slots: null },
        },
      writeVersion: async ({ version, model }) => {
        if (used.has(version))
          throw permanent('StaleEpoch', 'taken', { model, epoch: version, current: version });
      },
      writeSlots: async ({ epoch, model }) => {
        const current = store?.slots?.epoch ?? 0;
        if (epoch <= current) throw permanent('StaleEpoch', 'the store is ahead', { model, epoch, current });
      },
    },
    async () => {
      const { ask, outcome, describe, idle, handle } = entity('behind');
      await outcome(await ask(trigger(), setup('behind')));
      await idle();
      // As if the entity had been reset to this moment, after two more runs.
      store = remembered('behind', 3, 9);
      used.add(2).add(3);
      const next = await outcome(await ask(trigger(), setup('behind')));
      assert.deepEqual([next.status, 'version' in next && next.version], ['deployed', 4]);
      await idle();
      const now = await describe();
      assert((now.slots?.epoch ?? 0) > 9);
      assert.deepEqual([now.slots?.previous?.version, now.nextVersion], [3, 5]);
      store = {
        ...remembered('behind', 7, 20),
        slots: { ...remembered('behind', 7, 20).slots!, previous: { version: 6, package: artifact } },
      };
      const rolled = await handle.executeUpdate('rollback', { args: [{ by: 'ana', reason: 'bad' }] });
      assert.deepEqual(rolled, { accepted: true, epoch: 21, version: 6 }, 'a person need not ask twice');
    },
  );
});

test('a trigger that the ledger knows is a duplicate, even for an entity that does not', () =>
  withWorker({ findDisposition: async () => ({ status: 'ignored', why: 'then' }) }, async () => {
    assert.deepEqual(await entity('ledger').ask(trigger(), setup('ledger')), { status: 'duplicate' });
  }));

test('what waits, and is heard of again by an entity that was reset before it, waits again (seed 1)', () => {
  const lost = trigger({ id: 'lost', kind: 'event', reason: 'a shift has ended' });
  const later = new Date(Date.now() + 3_600_000).toISOString();
  const filed = new Map<string, Disposition>([
    ['forgetful/lost', { status: 'merged', behind: 'lifecycle/forgetful/1' }],
    ['patient/lost', { status: 'waiting', until: later, why: 'quiet hours', after: 'lifecycle/patient/1' }],
  ]);
  const known = new Set<string>();
  let goOn = () => {};
  const held = new Promise<void>((resolve) => (goOn = resolve));
  const change: Partial<AllActivities> = {
    ingest: async ({ lifecycleId }) => {
      if (lifecycleId === 'lifecycle/forgetful/1') await held;
      return dataset;
    },
    findDisposition: async ({ model, id }) => filed.get(`${model}/${id}`) ?? null,
    recall: async ({ model }) => ({
      ...{ lifecycles: known.has(model) ? 1 : 0, versions: [], nextVersion: 1, slots: null },
      inFlight:
        known.has(model) && model === 'forgetful'
          ? { lifecycleId: `lifecycle/${model}/1`, trigger: lost }
          : null,
      waiting: known.has(model) ? [lost] : [],
    }),
  };
  return withWorker(change, async () => {
    for (const name of ['forgetful', 'patient']) {
      const { ask, idle, describe } = entity(name);
      await ask(trigger(), setup(name, { cooldownMs: 0 }));
      if (name === 'patient') await idle();
      known.add(name);
      assert.deepEqual(await ask(lost), { status: 'duplicate' });
      const { pending, waitUntil } = await describe();
      assert.equal(pending?.trigger.id, 'lost', name);
      assert.equal(waitUntil, name === 'patient' ? later : undefined);
    }
    goOn();
    const carried = world.env.client.workflow.getHandle('lifecycle/forgetful/2');
    await until(() =>
      carried.describe().then(
        ({ status }) => status.name !== 'RUNNING',
        () => false,
      ),
    );
    await entity('forgetful').idle();
  });
});

test('a step of a rollout counts once, and one that was delayed does not undo a later one', () =>
  withWorker({}, async () => {
    const { ask, outcome, describe, idle, handle } = entity('steps');
    await outcome(await ask(trigger(), setup('steps')));
    await idle();
    await handle.executeUpdate('register', {
      args: [
        { lifecycleId: 'lifecycle/steps/9', package: artifact, onnx: artifact, verdict: verdict('steps') },
      ],
    });
    const request = { version: 2, lifecycleId: 'lifecycle/steps/9', rollout: 'run' };
    const asked = await handle.executeUpdate<PromotionAnswer, [typeof request]>('requestPromotion', {
      args: [request],
    });
    const ticket = (asked as { ticket: number }).ticket;
    const shift = (step: number, share: number, to = 'challenger') =>
      handle.executeUpdate('activate', { args: [{ ticket, step, version: 2, to, share, reason: 'on' }] });
    const first = await shift(1, 0.1);
    const second = await shift(2, 0.5);
    assert.deepEqual(await shift(2, 0.5), second, 'the same answer to the same step');
    assert.equal(((await shift(1, 0.1)) as { accepted: boolean }).accepted, false);
    assert.equal((await describe()).slots?.challenger?.share, 0.5);
    assert.notDeepEqual(first, second);
    const promoted = await shift(3, 0, 'champion');
    assert.deepEqual(await shift(3, 0, 'champion'), promoted, 'also after the last');
    const other = (await shift(3, 0, 'none')) as { accepted: boolean };
    assert.equal(other.accepted, false, 'what a reset made of the same step is another');
  }));

test('a rollout that gives up, heard once more after a reset, leaves its successor the slot (seed 102)', () => {
  const known = remembered('taken', 2, 1);
  const slots: Slots = {
    ...known.slots!,
    champion: null,
    challenger: { version: 2, package: artifact, share: 0.5 },
  };
  return withWorker({ recall: () => Promise.resolve({ ...known, slots }) }, async () => {
    const { client } = world.env;
    const workflowId = modelWorkflowId('taken');
    const asked = (await client.workflow.executeUpdateWithStart('requestPromotion', {
      args: [{ version: 1, lifecycleId: 'lifecycle/taken/101', rollout: 'run' }],
      startWorkflowOperation: new WithStartWorkflowOperation('model', {
        ...{ workflowId, taskQueue: taskQueues.cpu, args: ['taken'] },
        workflowIdConflictPolicy: 'USE_EXISTING',
      }),
    })) as { ticket: number };
    const givesUp = { ticket: asked.ticket, step: 1, version: 1, to: 'none', share: 0, reason: 'cut short' };
    await raw('taken').executeUpdate('activate', { args: [givesUp] });
    await until(async () => (await entity('taken').describe()).rollout === null);
    const own = world.told.slots.filter(({ model, by }) => model === 'taken' && by === 'rollout/taken/1');
    assert.deepEqual(own, []);
  });
});

test('what a stranger signals neither ends the entity nor blocks it', () =>
  withWorker({}, async () => {
    const { ask, outcome, idle } = entity('strange');
    await outcome(await ask(trigger(), setup('strange')));
    await idle();
    for (const name of ['settled', 'trigger', 'unheard-of']) {
      for (const words of [[], [null], ['x'], [{ lifecycleId: 7 }], [{ trigger: null }]])
        await raw('strange').signal(name, ...words);
    }
    for (const name of ['trigger', 'settled']) await poison('strange', name);
    assert.equal((await outcome(await ask(trigger(), setup('strange')))).status, 'deployed');
  }));

test('replay: this code retells every run of this file', () => world.replayAll());

/** A signal whose payload says that it is JSON, and is not. */
async function poison(name: string, signalName: string): Promise<void> {
  const { client, namespace = 'default' } = world.env;
  await client.workflowService.signalWorkflowExecution({
    namespace,
    workflowExecution: { workflowId: modelWorkflowId(name) },
    signalName,
    input: { payloads: [{ metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from('{"half') }] },
  });
}

function verdict(model: string) {
  const digest = 'a'.repeat(64);
  const subject = {
    model,
    modelDigest: digest,
    datasetDigest: digest,
    scorecardDigest: digest,
    policyDigest: digest,
  };
  return {
    requestId: `${model}/9`,
    status: 'approved',
    policy: 'auto',
    decisions: [],
    subject,
    at: '2001-01-01T00:00:00.000Z',
  };
}
