/** The Temporal service as we use it: one client, the model entities behind it, their Schedules. */
import {
  Client,
  Connection,
  ScheduleOverlapPolicy,
  WithStartWorkflowOperation,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { ScheduleAlreadyRunning } from '@temporalio/client';
import type { Workflow } from '@temporalio/common';
import { Artifact } from '../contracts/artifact.ts';
import { Trigger } from '../contracts/lifecycle.ts';
import { rootFailure } from '../contracts/failures.ts';
import type { ModelUpdates } from '../contracts/model.ts';
import { modelWorkflowId, monitorScheduleId, taskQueues } from '../contracts/search.ts';
import type { Config } from './config.ts';

export async function connect(config: Config): Promise<Client> {
  const connection = await Connection.connect(config.temporal.connection);
  return new Client({ connection, namespace: config.temporal.namespace });
}

/** A model entity that ends its run to go on as a new one sends callers away: for a moment, they ask again. */
export async function askAgain<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      const failure = updateFailure(error);
      if (failure?.type !== 'ContinuesAsNew' || tries === 300) throw error;
      await sleep(100);
    }
  }
}

function updateFailure(error: unknown) {
  return error instanceof WorkflowUpdateFailedError ? rootFailure(error.cause) : undefined;
}

/** How a model entity begins; one that lives is left as it is. */
export function modelStart(model: string) {
  return {
    ...{ workflowId: modelWorkflowId(model), taskQueue: taskQueues.cpu, args: [model] as [string] },
    workflowIdConflictPolicy: 'USE_EXISTING' as const,
  };
}

/** Updates of model entities, for activities and the client. One that was terminated is brought back: it recalls itself. */
export function modelsOf(client: Client) {
  return {
    update: <K extends keyof ModelUpdates>(
      model: string,
      name: K,
      message: ModelUpdates[K][0],
      updateId: string,
    ): Promise<ModelUpdates[K][1]> =>
      tell(client, new WithStartWorkflowOperation('model', modelStart(model)), { name, message, updateId }),
  };
}

/** The server's word for an entity that was ended before it had answered: the next one will. */
const ended = 'AcceptedUpdateCompletedWorkflow';

/** Sends an update, and starts the entity if need be. */
export async function tell<T>(
  client: Client,
  startWorkflowOperation: WithStartWorkflowOperation<Workflow>,
  { name, message, updateId }: { name: string; message: unknown; updateId: string },
): Promise<T> {
  try {
    return (await client.workflow.executeUpdateWithStart<Workflow, unknown, [unknown]>(name, {
      ...{ args: [message], updateId, startWorkflowOperation },
    })) as T;
  } catch (error) {
    // The same update id would get the same failure for ever: what no retry can mend must say so here.
    const failure = updateFailure(error);
    throw failure?.nonRetryable && failure.type !== ended ? failure : error;
  }
}

export interface FoundLifecycle {
  trigger: Trigger | null;
  /** The pinned project; null for one that 0.1.0 started. */
  project: Artifact | null;
  running: boolean;
}

/** What a lifecycle's memo says it was started for. @returns null when there is none of that id */
export async function findLifecycle(client: Client, workflowId: string): Promise<FoundLifecycle | null> {
  const described = await describe(client, workflowId);
  if (!described) return null;
  const { status, memo } = described;
  const { data: trigger } = Trigger.safeParse(memo?.['trigger']);
  const { data: project } = Artifact.safeParse(memo?.['project']);
  return { trigger: trigger ?? null, project: project ?? null, running: status.name === 'RUNNING' };
}

/** @returns null when the server knows none of that id */
export async function describe(client: Client, workflowId: string, runId?: string) {
  try {
    return await client.workflow.getHandle(workflowId, runId).describe();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

/**
 * One Schedule a model. Ticks never overlap, and after an outage only those of the last ten minutes
 * are caught up: a missed window shows as a gap in the records, not as a storm.
 */
export async function scheduleMonitor(client: Client, model: string, everyMs: number): Promise<void> {
  const scheduleId = monitorScheduleId(model);
  // Models that are watched alike are not all watched at once.
  const spec = { intervals: [{ every: everyMs }], jitter: Math.min(300_000, everyMs / 3) };
  const action = {
    type: 'startWorkflow' as const,
    workflowType: 'monitor',
    workflowId: scheduleId,
    taskQueue: taskQueues.cpu,
    args: [{ model, everyMs }],
    staticSummary: `${model}: one window of predictions`,
  };
  const policies = { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '10 minutes' as const };
  try {
    await client.schedule.create({ scheduleId, spec, action, policies });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await client.schedule.getHandle(scheduleId).update((now) => ({ ...now, spec, action, policies }));
  }
}

/** `temporal.api.enums.v1.TaskQueueType`: of activities. */
const activityQueue = 2;

/** When each worker of an activity queue asked for work last. */
export async function pollersOf(client: Client, queue: keyof typeof taskQueues): Promise<Date[]> {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: taskQueues[queue] },
    taskQueueType: activityQueue,
  });
  return (pollers ?? []).map(({ lastAccessTime }) => new Date(Number(lastAccessTime?.seconds ?? 0) * 1_000));
}
