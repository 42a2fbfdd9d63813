/** Books of alerts on the Temporal service: how they begin, and how they are told. */
import { WithStartWorkflowOperation } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { AlertUpdates, Delivery } from '../contracts/alerts.ts';
import { alertsWorkflowId, taskQueues } from '../contracts/search.ts';
import { tell } from './temporal.ts';

/** How a model's book of alerts begins; one that lives is left as it is. */
export function bookStart(model: string) {
  return {
    ...{ workflowId: alertsWorkflowId(model), taskQueue: taskQueues.cpu, args: [model] as [string] },
    ...{ workflowIdConflictPolicy: 'USE_EXISTING' as const, staticSummary: `alerts of ${model}` },
  };
}

/** A book that does not answer for so long is asked again by whoever asks. */
const bookPatienceMs = 60_000;

/** Updates of books of alerts, as of models. */
export function booksOf(client: Client) {
  return {
    update: <K extends keyof AlertUpdates>(
      model: string,
      name: K,
      message: AlertUpdates[K][0],
      updateId: string,
    ): Promise<AlertUpdates[K][1]> =>
      client.withDeadline(Date.now() + bookPatienceMs, () =>
        tell(client, new WithStartWorkflowOperation('alerts', bookStart(model)), { name, message, updateId }),
      ),
    async start(delivery: Delivery): Promise<boolean> {
      try {
        await client.workflow.start('delivery', {
          ...{ workflowId: delivery.id, taskQueue: taskQueues.cpu, args: [delivery] },
          workflowIdReusePolicy: 'REJECT_DUPLICATE',
        });
        return true;
      } catch (error) {
        if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
        throw error;
      }
    },
  };
}
