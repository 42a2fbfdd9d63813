/** Batch scoring as a workflow: each batch once, in small histories; a failure for good stops the others; it always tidies up. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { WorkflowFailedError } from '@temporalio/client';
import type { AllActivities } from '../../contracts/activities.ts';
import { failedWith, permanent } from '../../contracts/failures.ts';
import type { ScoreRequest } from '../../contracts/score.ts';
import { taskQueues } from '../../contracts/search.ts';
import { score } from '../../workflows/score.ts';
import { artifact, openWorld } from '../support/world.ts';
import type { World } from '../support/world.ts';

let world: World;
before(async () => (world = await openWorld()));
after(() => world.close());

const batches = 700;
const parallel = 20;
/** What workflows/score.ts asks to end a run at, and what each lane may still add. */
const eventsAtMost = 2_000 + parallel * 6;

const request = (scoreId: string): ScoreRequest => ({
  ...{ scoreId, model: 'm', version: 1, package: artifact, input: '/in', output: 'file:///out' },
  ...{ overwrite: false, by: 'ana' },
});
const planned = { plan: artifact, digest: 'a'.repeat(64), rows: batches, parts: batches, batches, parallel };

function withStages(change: Partial<AllActivities>, act: () => Promise<void>) {
  return world.withWorker({ ...world.agreeable(), planScore: async () => planned, ...change }, act);
}
const run = (scoreId: string) =>
  world.env.client.workflow.execute(score, {
    workflowId: scoreId,
    taskQueue: taskQueues.cpu,
    args: [request(scoreId)],
  });

test('each batch is done once, the plan is made once, and no history grows with their number', () => {
  const done: number[] = [];
  let plans = 0;
  let tidied = 0;
  return withStages(
    {
      planScore: async () => (plans++, planned),
      scoreBatch: async ({ batch }) => (done.push(batch), { rows: 1, parts: 1, found: 0 }),
      tidyScore: async () => void tidied++,
    },
    async () => {
      const scoreId = 'score/m/aaaaaaaaaaaa';
      await run(scoreId);
      const each = Array.from({ length: batches }, (_, i) => i);
      assert.deepEqual(
        done.toSorted((a, b) => a - b),
        each,
      );
      assert.deepEqual([plans, tidied], [1, 1]);
      const { workflow } = world.env.client;
      assert.equal(
        (await workflow.getHandle(scoreId).query<{ rows: number }>('score')).rows,
        40,
        'as it was told last',
      );
      let runs = 0;
      for await (const { runId } of workflow.list({ query: `WorkflowId = '${scoreId}'` })) {
        const { events } = await workflow.getHandle(scoreId, runId).fetchHistory();
        assert(events!.length <= eventsAtMost, `${events!.length} events`);
        runs++;
      }
      assert(runs >= 2, `${runs} runs`);
    },
  );
});

test('what was whole before is not scored again', () => {
  const outcome = {
    ...{ output: 'file:///out', model: 'm', version: 1, rows: 7, parts: 1, found: 1 },
    ...{ rowsWithoutPrediction: 0, manifest: 'b'.repeat(64) },
  };
  return withStages(
    {
      planScore: async () => ({ ...planned, outcome }),
      scoreBatch: () => assert.fail('nothing is to be scored'),
      closeScore: () => assert.fail('nothing is to be closed'),
    },
    async () => assert.deepEqual(await run('score/m/bbbbbbbbbbbb'), outcome),
  );
});

test('a part that fails for good ends the scoring, and what it kept is deleted', () => {
  let tidied = 0;
  return withStages(
    {
      scoreBatch: async ({ batch }) => {
        if (batch === 3) throw permanent('UnreadableSource', 'it was changed', { source: '', file: 'a' });
        return { rows: 1, parts: 1, found: 0 };
      },
      closeScore: () => assert.fail('it is not whole'),
      tidyScore: async () => void tidied++,
    },
    async () => {
      await assert.rejects(
        run('score/m/cccccccccccc'),
        (error) => error instanceof WorkflowFailedError && failedWith(error.cause, 'UnreadableSource'),
      );
      assert.equal(tidied, 1);
    },
  );
});
