/** I8 and I9: histories stay small, and replay with the code as it is. */
import { breachesOf } from './breach.ts';
import type { Breach } from './breach.ts';
import type { Evidence } from './evidence.ts';

/** Where the server suggests to continue as new, and what one more turn may add. */
const eventsAtMost = 4_096 + 64;
const bytesAtMost = (4_096 + 256) * 1_024;

export function small(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I8');
  for (const { workflowId, runId, length, bytes, events } of evidence.runs) {
    const count = Math.max(length, events.length);
    demand(count <= eventsAtMost, `${workflowId} has a history of ${count} events`, { runId, bytes });
    demand(bytes <= bytesAtMost, `${workflowId} has a history of ${bytes} bytes`, { runId, count });
  }
  return breaches;
}

export function replayable(evidence: Evidence): Breach[] {
  const { breaches, demand, breach } = breachesOf('I9');
  const replayed = new Map(evidence.replays.map(({ runId, error }) => [runId, error]));
  for (const { workflowId, runId, status } of evidence.runs) {
    const error = replayed.get(runId);
    // A fault of the SDK, of which a run is healed by ending it: while it runs, it is a breach all the same.
    if (status !== 'RUNNING' && isUpstream(error)) continue;
    if (error === undefined) breach(`${workflowId} was not replayed`, runId);
    else demand(error === null, `${workflowId} does not replay`, { runId, error });
  }
  return breaches;
}

/**
 * Updates and other events of one task change places when a worker meets a run for the first time.
 *
 * @see https://github.com/temporalio/sdk-python/issues/1591
 */
export function isUpstream(error: string | null | undefined): boolean {
  const between = /TMPRL1100.*(Update machine does not handle this event|WorkflowExecutionUpdateAccepted)/s;
  return typeof error === 'string' && between.test(error);
}
