/**
 * Brings workflows back whose tasks fail again and again.
 *
 * When a worker meets a run for the first time while an update and another event wait in one task, the SDK may write a
 * history that no replay can follow (sdk-python issue 1591, sdk-rust pull request 1509: the chunking of tasks). Such a
 * run stands still for ever, and a model with it. What it knew is in the store: a model entity is ended and begun
 * again, and finds itself there; an approval is reset to its beginning, and meets its own records; a rollout too, which
 * then ends as superseded, for its approval is spent on the run before.
 */
import type { Client } from '@temporalio/client';
import type { Logger } from './log.ts';
import { bookStart } from './alert-books.ts';
import { describe, modelStart } from './temporal.ts';

/** Some 40 s of trying: a worker that is out of memory, or a bad deployment that is taken back, mends itself before. */
const patientTries = 8;
const stuckTypes = `ExecutionStatus = 'Running' AND WorkflowType IN ('model', 'approval', 'rollout', 'alerts')`;

/** @returns the ids of those that were brought back */
export async function revive(
  client: Client,
  log: Pick<Logger, 'error'>,
  triesAtLeast = patientTries,
): Promise<string[]> {
  const revived: string[] = [];
  for await (const { workflowId, runId, type } of client.workflow.list({ query: stuckTypes })) {
    const tries = await triesOf(client, workflowId, runId);
    if (tries < triesAtLeast) continue;
    log.error(
      { workflowId, runId, tries },
      'its tasks fail again and again; it is brought back from what the store knows',
    );
    await (isEntity(type) ? again(client, workflowId, runId, type) : rewind(client, workflowId, runId));
    revived.push(workflowId);
  }
  return revived;
}

async function triesOf(client: Client, workflowId: string, runId: string): Promise<number> {
  return (await describe(client, workflowId, runId))?.raw.pendingWorkflowTask?.attempt ?? 0;
}

/** What finds itself again in the store, and how it begins. */
const starts = { model: modelStart, alerts: bookStart } as const;
const isEntity = (type: string): type is keyof typeof starts => type in starts;

async function again(
  client: Client,
  workflowId: string,
  runId: string,
  type: keyof typeof starts,
): Promise<void> {
  await client.workflow.getHandle(workflowId, runId).terminate('its history cannot be replayed');
  await client.workflow.start(type, starts[type](workflowId.slice(type.length + 1)));
}

async function rewind(client: Client, workflowId: string, runId: string): Promise<void> {
  const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  const first = events?.find(({ workflowTaskCompletedEventAttributes: done }) => done);
  await client.workflowService.resetWorkflowExecution({
    namespace: client.options.namespace,
    workflowExecution: { workflowId, runId },
    ...{ reason: 'its history cannot be replayed', requestId: `revive-${runId}` },
    workflowTaskFinishEventId: first?.eventId ?? null,
  });
}
