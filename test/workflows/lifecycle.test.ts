/** The lifecycle's every outcome, on a real server with stand-in stages. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { WorkflowFailedError } from '@temporalio/client';
import type { AllActivities } from '../../contracts/activities.ts';
import { failedWith, permanent } from '../../contracts/failures.ts';
import { LifecyclePlan } from '../../contracts/lifecycle.ts';
import { approvalWorkflowId, taskQueues } from '../../contracts/search.ts';
import { lifecycle, progressQuery } from '../../workflows/lifecycle.ts';
import { decideUpdate } from '../../workflows/messages.ts';
import { monitor } from '../../workflows/monitor.ts';
import { artifact, openWorld, plan, releasedHistories, scorecard } from '../support/world.ts';
import type { World } from '../support/world.ts';
import { until } from '../support/until.ts';

let world: World;
let runs = 0;
before(async () => (world = await openWorld()));
after(() => world.close());

const people: Partial<LifecyclePlan> = {
  approval: {
    policy: {
      policy: 'people',
      need: { risk: 1 },
      people: { risk: ['ada'] },
      deadline: '1d',
      requesterMayApprove: false,
      autoForRetrain: false,
    },
    policyDigest: 'a'.repeat(64),
    auto: false,
    deadlineMs: 60_000,
  },
};
const never = { deploy: async () => assert.fail('deployed') };

async function start(change: Partial<LifecyclePlan> = {}) {
  const lifecycleId = `lifecycle/solo/${++runs}`;
  const asked = LifecyclePlan.parse(plan('solo', { lifecycleId, ...change }));
  return world.env.client.workflow.start(lifecycle, {
    workflowId: lifecycleId,
    taskQueue: taskQueues.cpu,
    args: [asked],
  });
}

const withWorker = (change: Partial<AllActivities>, act: () => Promise<void>) =>
  world.withWorker({ ...world.agreeable(), ...change }, act);

const decide = (lifecycleId: string, approved: boolean) =>
  until(async () => {
    const handle = world.env.client.workflow.getHandle(
      approvalWorkflowId(lifecycleId.slice('lifecycle/'.length)),
    );
    const described = await handle.describe().catch(() => undefined);
    if (!described) return false;
    await handle.executeUpdate(decideUpdate, { args: [{ approved, by: 'ada', reason: 'looked at it' }] });
    return true;
  });

test('bad data ends the run before anything is trained', () =>
  withWorker(
    {
      validate: async () => ({
        passed: false,
        broken: [{ check: 'unique(id)', severity: 'error', count: 2, of: 9, detail: '2 of 9', examples: [] }],
        checks: 1,
        profile: artifact,
      }),
      train: async () => assert.fail('trained on bad data'),
    },
    async () => {
      const outcome = await (await start()).result();
      assert.equal(outcome.status, 'bad-data');
    },
  ));

test('a missed gate ends the run before anybody is asked', () =>
  withWorker({ ...never, evaluate: async () => ({ ...scorecard, passed: false }) }, async () => {
    const outcome = await (await start(people)).result();
    assert.equal(outcome.status, 'gate-missed');
  }));

test('a rejection ends the run, with who and why', () =>
  withWorker(never, async () => {
    const handle = await start(people);
    await decide(handle.workflowId, false);
    const outcome = await handle.result();
    assert.ok(outcome.status === 'rejected');
    assert.deepEqual(outcome.verdict.decisions, [{ approved: false, by: 'ada', reason: 'looked at it' }]);
  }));

test('silence ends the run as expired', () =>
  withWorker(never, async () => {
    const handle = await start({ approval: { ...people.approval!, deadlineMs: 100 } });
    assert.equal((await handle.result()).status, 'expired');
  }));

test('progress says what it waits for, and what the stages gave', () =>
  withWorker(never, async () => {
    const handle = await start(people);
    await until(async () => (await handle.query(progressQuery)).waitsFor !== null);
    const { stage, waitsFor, done } = await handle.query(progressQuery);
    assert.equal(stage, 'approve');
    assert.match(waitsFor!, /^approval solo\//);
    assert.deepEqual(
      done.map((one) => one.stage),
      ['ingest', 'validate', 'prepare', 'train', 'evaluate'],
    );
    assert.match(done.at(-1)!.result, /roc_auc 0.9000, 1 gates met/);
    await decide(handle.workflowId, false);
    await handle.result();
  }));

test('nobody is told that it waits before there is a request to decide on', () =>
  withWorker(never, async () => {
    const handle = await start(people);
    await decide(handle.workflowId, false);
    await handle.result();
    const { events } = await handle.fetchHistory();
    const asked = events!.findIndex((one) => one.childWorkflowExecutionStartedEventAttributes);
    const waits = events!.findIndex((one) => {
      const state =
        one.upsertWorkflowSearchAttributesEventAttributes?.searchAttributes?.indexedFields?.['EsteiraState'];
      return state !== undefined && String(state?.data).includes('waiting');
    });
    assert(asked !== -1 && waits > asked, `asked at event ${asked}, said at ${waits}`);
  }));

test('a permanent failure is tried once and keeps its name', () => {
  let tries = 0;
  return withWorker(
    {
      evaluate: async () => {
        tries++;
        throw permanent('UnscorableHoldout', '0 positives in 9 rows', { rows: 9, positives: 0 });
      },
    },
    async () => {
      await assert.rejects(
        (await start()).result(),
        (error) => error instanceof WorkflowFailedError && failedWith(error.cause, 'UnscorableHoldout'),
      );
      assert.equal(tries, 1);
    },
  );
});

test('a passing trouble is tried again, and the run goes on', () => {
  let tries = 0;
  return withWorker(
    {
      ingest: async (input) => {
        if (++tries < 3) throw new Error('the store is away');
        return world.agreeable().ingest(input);
      },
      evaluate: async () => ({ ...scorecard, passed: false }),
    },
    async () => {
      assert.equal((await (await start()).result()).status, 'gate-missed');
      assert.equal(tries, 3);
    },
  );
});

test('a tick looks, notifies and asks; without alerts it does not notify', () =>
  withWorker({ notify: async () => assert.fail('notified about nothing') }, async () => {
    const window = { from: '2001-02-01T00:00:00.000Z', until: '2001-02-02T00:00:00.000Z' };
    const { tick } = await world.env.client.workflow.execute(monitor, {
      workflowId: 'monitor/solo/test',
      taskQueue: taskQueues.cpu,
      args: [{ model: 'solo', everyMs: 86_400_000, window }],
    });
    assert.deepEqual(tick.window, window);
  }));

test('a tick of which nothing can follow asks nobody and tells nobody', () =>
  withWorker(
    {
      monitor: async (input) => ({
        ...(await world.agreeable().monitor(input)),
        follows: { rules: false, news: false },
      }),
      retrain: async () => assert.fail('there is no rule'),
      tellAlerts: async () => assert.fail('there is no news'),
    },
    async () => {
      const { retrain } = await world.env.client.workflow.execute(monitor, {
        ...{ workflowId: 'monitor/solo/quiet', taskQueue: taskQueues.cpu },
        args: [{ model: 'solo', everyMs: 86_400_000 }],
      });
      assert.deepEqual(retrain, []);
    },
  ));

test('replay: this code retells every run of this file', () => world.replayAll());

// A replay compares commands, not payloads: a renamed field replays, and then reads `undefined`.
test('contract: the plan in every released lifecycle still parses', async () => {
  for (const { workflowId, history } of await releasedHistories()) {
    if (!workflowId.startsWith('lifecycle/')) continue;
    const [payload] = history.events[0].workflowExecutionStartedEventAttributes.input.payloads;
    LifecyclePlan.parse(JSON.parse(Buffer.from(payload.data, 'base64').toString()));
  }
});
