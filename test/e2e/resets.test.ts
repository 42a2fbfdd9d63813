/**
 * `temporal workflow reset`, to any task of a run that is open or over: what was done stays done once, and what was
 * deployed is not deployed again.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Trigger } from '../../contracts/lifecycle.ts';
import { modelWorkflowId } from '../../contracts/search.ts';
import { openBelt } from '../support/belt.ts';
import type { Belt } from '../support/belt.ts';
import { replayAll } from '../support/replay.ts';
import { january } from '../support/stage.ts';
import { until } from '../support/until.ts';

const model = 'rewound';
const people = {
  policy: 'people' as const,
  need: { risk: 1 },
  people: { risk: ['bob'] },
};

let belt: Belt;
before(async () => {
  belt = await openBelt();
  await belt.start(await belt.project(model, { approval: people }));
  for (const id of ['drift/a', 'drift/b']) {
    const trigger: Trigger = { id, kind: 'drift', by: 'monitor', reason: 'a drill', at: january.until };
    assert.equal((await belt.esteira.trigger(model, trigger)).status, 'ignored');
  }
  const requestId = `${model}/1`;
  await until(async () =>
    (await belt.esteira.approvals()).some(({ request }) => request.requestId === requestId),
  );
  await belt.esteira.decide(requestId, { approved: true, by: 'bob', reason: 'fine' });
  assert.equal((await belt.esteira.outcome(`lifecycle/${model}/1`)).status, 'deployed');
  await idle();
});
after(() => belt.close());

async function idle(): Promise<void> {
  await until(async () => {
    const about = await belt.esteira.describe(model).catch(() => undefined); // it is being reset
    return about?.inFlight === null && about.rollout === null && about.lifecycles === 1;
  });
}

/** Of the run that is current now. */
async function tasksOf(workflowId: string) {
  const { events } = await belt.esteira.client.workflow.getHandle(workflowId).fetchHistory();
  return (events ?? []).flatMap((event) =>
    event.workflowTaskCompletedEventAttributes ? [event.eventId!] : [],
  );
}

async function reset(workflowId: string, task: Awaited<ReturnType<typeof tasksOf>>[number]): Promise<void> {
  await belt.esteira.client.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId },
    ...{ workflowTaskFinishEventId: task, reason: 'a drill', requestId: `${workflowId}-${String(task)}` },
  });
}

/** One version, its two epochs, one verdict: as it was before any reset. */
async function nothingMoved(when: string): Promise<void> {
  const slots = await belt.slots(model);
  assert.deepEqual(
    slots.map(({ epoch, champion, challenger }) => [epoch, champion?.version, challenger?.version]),
    [
      [1, undefined, 1],
      [2, 1, undefined],
    ],
    when,
  );
  assert.equal((await belt.versions(model)).length, 1, when);
  const ids: string[] = [];
  for await (const { workflowId } of belt.esteira.client.workflow.list()) ids.push(workflowId);
  assert(!ids.includes(`lifecycle/${model}/2`), when);
  const { store } = belt.esteira;
  const filed: string[] = [];
  for await (const { key } of store.list(`approvals/${model}/1/`)) filed.push(key);
  assert.equal(filed.length, 3, `${when}: ${filed.join()}`);
}

test(
  'the model entity, reset to each of its tasks, finds its run again and promotes nobody twice',
  { timeout: 960_000 },
  async () => {
    const id = modelWorkflowId(model);
    const tasks = await tasksOf(id);
    for (let i = tasks.length - 1; i >= 0; i -= 2) {
      await reset(id, tasks[i]!);
      await idle();
      await nothingMoved(`entity reset to task ${i} of ${tasks.length}`);
    }
  },
);

test(
  'a finished lifecycle, reset to any of its tasks, asks nobody again and deploys nothing',
  { timeout: 1_200_000 },
  async () => {
    const id = `lifecycle/${model}/1`;
    const tasks = await tasksOf(id);
    for (let i = tasks.length - 1; i >= 0; i -= 3) {
      await reset(id, tasks[i]!);
      const { status } = await belt.esteira.outcome(id);
      assert(['superseded', 'deployed'].includes(status), `reset to task ${i}: ${status}`);
      await idle();
      await nothingMoved(`lifecycle reset to task ${i} of ${tasks.length}`);
    }
  },
);

test('every history replays', async () => {
  await replayAll(belt.esteira.client);
});
