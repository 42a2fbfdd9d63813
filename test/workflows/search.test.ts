/** The search as a workflow: a thousand trials in small histories, and none that has nothing to learn from. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { AllActivities } from '../../contracts/activities.ts';
import { taskQueues } from '../../contracts/search.ts';
import { search } from '../../workflows/search.ts';
import type { SearchPlan } from '../../workflows/search.ts';
import { artifact, openWorld } from '../support/world.ts';
import type { World } from '../support/world.ts';

let world: World;
before(async () => (world = await openWorld()));
after(() => world.close());

/** What workflows/search.ts asks to end a run at, and what may still come: each lane ends the trial that it has. */
const eventsAtMost = 2_000;
const parallel = 40;
const eventsATrial = 6;

const plan = (name: string, trials: number): SearchPlan => ({
  ...{ lifecycleId: `lifecycle/${name}/1`, project: artifact },
  prepared: { manifest: artifact, rows: { train: 70, validation: 10, holdout: 20 } },
  ...{ trials, parallel, device: 'cpu', next: 1, done: 0, failed: 0, best: null },
});

const withTrials = (trial: AllActivities['trial'], act: () => Promise<void>) =>
  world.withWorker({ ...world.agreeable(), trial }, act);
const start = (workflowId: string, given: SearchPlan) =>
  world.env.client.workflow.execute(search, { workflowId, taskQueue: taskQueues.cpu, args: [given] });

test('of a thousand trials each is tried once, the best is told, and no history grows with their number', () => {
  const tried: number[] = [];
  return withTrials(
    async ({ trial }) => {
      tried.push(trial);
      const loss = Math.abs(trial - 700);
      return { trial, state: 'done', value: 1 - loss, loss };
    },
    async () => {
      const found = await start('search/thousand/1', plan('thousand', 1_000));
      assert.deepEqual(found, {
        ...{ trials: 1_000, done: 1_000, failed: 0, running: 0 },
        best: { trial: 700, value: 1, loss: 0 },
      });
      assert.deepEqual(
        tried.toSorted((a, b) => a - b),
        Array.from({ length: 1_000 }, (_, i) => i + 1),
      );
      const { workflow } = world.env.client;
      let runs = 0;
      for await (const { runId } of workflow.list({ query: "WorkflowId = 'search/thousand/1'" })) {
        const { events } = await workflow.getHandle('search/thousand/1', runId).fetchHistory();
        const most = eventsAtMost + parallel * eventsATrial;
        assert(events!.length <= most, `${events!.length} events, more than ${most}`);
        runs++;
      }
      assert(runs >= 2, `${runs} runs`);
    },
  );
});

test('a search whose first trials all fail ends, for it has nothing to learn from', () =>
  withTrials(
    async ({ trial }) => ({ trial, state: 'failed', value: null, loss: null }),
    async () => {
      const { done, failed, best } = await start('search/hopeless/1', {
        ...plan('hopeless', 500),
        parallel: 2,
      });
      assert(done >= 5 && done < 10, `${done} trials`);
      assert.deepEqual({ failed, best }, { failed: done, best: null });
    },
  ));

test('replay: this code retells every run of this file', () => world.replayAll());
