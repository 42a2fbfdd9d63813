/** The run that `--recover` repeats: a model's last, when it failed. */
import type { Client } from '@temporalio/client';
import { Trigger } from '../contracts/lifecycle.ts';
import { NotFound } from './errors.ts';
import { isLifecycle, rowsOf } from './list.ts';

/** @throws {NotFound} when the last run has not failed */
export async function failedRun(
  client: Client,
  model: string,
): Promise<{ lifecycleId: string; until: string }> {
  const [last] = await rowsOf(client.workflow.list({ query: isLifecycle(model) }), 1);
  if (!last) throw new NotFound(`${model} was never run; there is nothing to recover`);
  const { lifecycleId, outcome, state } = last;
  const { memo } = await client.workflow.getHandle(lifecycleId).describe();
  const { data: trigger } = Trigger.safeParse(memo?.['trigger']);
  if (state !== 'closed')
    throw new NotFound(`${lifecycleId} still runs; \`esteira watch ${lifecycleId}\` follows it`);
  if (outcome === 'deployed' || !trigger) {
    throw new NotFound(`${lifecycleId} ended as ${outcome}; there is nothing to recover`);
  }
  return { lifecycleId, until: trigger.at };
}
