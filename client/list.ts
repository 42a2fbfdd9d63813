/** Lifecycles as the visibility store has them. It knows no ORDER BY on small servers: sorted here. */
import type { WorkflowExecutionInfo } from '@temporalio/client';

export interface LifecycleRow {
  lifecycleId: string;
  model: string;
  stage: string;
  state: string;
  outcome: string;
  trigger: string;
  startedAt: string;
  seconds: number;
}

/** A list filter; model names are letters, digits and dashes, so nothing needs escaping. */
export function isLifecycle(model?: string): string {
  const ofModel = model === undefined ? '' : ` AND EsteiraModel = '${model.replaceAll(/[^a-z0-9-]/g, '')}'`;
  return `WorkflowType = 'lifecycle'${ofModel}`;
}

export async function rowsOf(
  runs: AsyncIterable<WorkflowExecutionInfo>,
  limit: number,
): Promise<LifecycleRow[]> {
  const rows: LifecycleRow[] = [];
  for await (const run of runs) {
    rows.push(rowOf(run));
    if (rows.length >= 10_000) break;
  }
  return rows.toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1)).slice(0, limit);
}

function rowOf({
  workflowId,
  searchAttributes,
  status,
  startTime,
  closeTime,
}: WorkflowExecutionInfo): LifecycleRow {
  const text = (name: string) => String(searchAttributes[name]?.[0] ?? '');
  const ended = status.name !== 'RUNNING' && status.name !== 'COMPLETED';
  return {
    lifecycleId: workflowId,
    model: text('EsteiraModel'),
    stage: text('EsteiraStage'),
    state: status.name === 'RUNNING' ? text('EsteiraState') : 'closed',
    outcome: ended ? status.name.toLowerCase() : text('EsteiraOutcome'),
    trigger: text('EsteiraTrigger'),
    startedAt: startTime.toISOString(),
    seconds: Math.round(((closeTime ?? new Date()).getTime() - startTime.getTime()) / 100) / 10,
  };
}
