/** One model's entity on a test's world, and how tests talk to it. */
import assert from 'node:assert/strict';
import { WithStartWorkflowOperation } from '@temporalio/client';
import type { LifecycleOutcome, Trigger } from '../../contracts/lifecycle.ts';
import type { Disposition, ProjectSetup } from '../../contracts/model.ts';
import { modelWorkflowId, taskQueues } from '../../contracts/search.ts';
import { askAgain } from '../../infra/temporal.ts';
import { describeQuery, triggerUpdate } from '../../workflows/messages.ts';
import { model } from '../../workflows/model.ts';
import { artifact } from './world.ts';
import type { World } from './world.ts';
import { until } from './until.ts';

export const day = (n: number) => new Date(Date.UTC(2001, 1, n)).toISOString();

export function setup(name: string, change: Partial<ProjectSetup> = {}): ProjectSetup {
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
export function trigger(change: Partial<Trigger> = {}): Trigger {
  return { id: `t${++ids}`, kind: 'manual', by: 'ana', reason: 'because', at: day(1), ...change };
}

/** One model's entity, and how tests talk to it. `limit` makes it continue as new early. */
export function entity(world: World, name: string, limit = 4_000) {
  const { client } = world.env;
  const handle = client.workflow.getHandle<typeof model>(modelWorkflowId(name));
  return {
    handle,
    ask: (asked: Trigger, project?: ProjectSetup): Promise<Disposition> =>
      askAgain(() =>
        client.workflow.executeUpdateWithStart(triggerUpdate, {
          args: [{ trigger: asked, ...(project && { setup: project }) }],
          startWorkflowOperation: new WithStartWorkflowOperation(model, {
            workflowId: modelWorkflowId(name),
            taskQueue: taskQueues.cpu,
            args: [name, limit],
            workflowIdConflictPolicy: 'USE_EXISTING',
          }),
        }),
      ),
    outcome: (disposition: Disposition): Promise<LifecycleOutcome> => {
      assert.equal(disposition.status, 'started');
      return client.workflow.getHandle((disposition as { lifecycleId: string }).lifecycleId).result();
    },
    describe: () => handle.query(describeQuery),
    idle: () => until(async () => (await handle.query(describeQuery)).inFlight === null),
  };
}
