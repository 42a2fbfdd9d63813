/** What a training does just now that its own heartbeats do not say: it waits for a worker, or it is many trainings. */
import { WorkflowNotFoundError } from '@temporalio/client';
import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import { searchWorkflowId } from '../contracts/search.ts';
import type { SearchView } from '../workflows/search.ts';

type Pending = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];

/** PENDING_ACTIVITY_STATE_SCHEDULED of Temporal's API. */
const scheduled = 1;
/** Shorter than this is no waiting, but the way of things. */
const patienceMs = 2_000;

/** @returns undefined once a worker has it */
export function queued(activity: Pending | undefined, now = Date.now()): { doing: string } | undefined {
  if (!activity || Number(activity.state) !== scheduled || activity.lastFailure) return undefined;
  const since = Number(activity.scheduledTime?.seconds ?? 0) * 1_000;
  if (since === 0 || now - since < patienceMs) return undefined;
  return { doing: `every worker is busy, waiting since ${new Date(since).toISOString().slice(11, 19)} UTC` };
}

/** @returns undefined when the lifecycle has no search, or it cannot be asked just now */
export async function searchWork(
  client: Client,
  lifecycleId: string,
): Promise<{ doing: string; step: number; steps: number } | undefined> {
  try {
    const handle = client.workflow.getHandle(searchWorkflowId(lifecycleId));
    const { trials, done, failed, best, running } = await handle.query<SearchView>('search');
    const found = best ? `, best ${Number(best.value.toPrecision(5))} (trial ${best.trial})` : '';
    const lost = failed > 0 ? `, ${failed} failed` : '';
    return { doing: `${running} trials at once${found}${lost}`, step: done, steps: trials };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
