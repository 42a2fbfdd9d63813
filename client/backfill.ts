/** `esteira monitor backfill`: starts it, or joins the one over the same windows, and follows it. */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { BackfillPlan } from '../contracts/backfill.ts';
import type { BackfillProgress } from '../contracts/backfill.ts';
import { parse } from '../contracts/failures.ts';
import { taskQueues } from '../contracts/search.ts';
import type { backfill } from '../workflows/backfill.ts';
import type { Esteira } from './index.ts';
import { NotFound } from './errors.ts';

export interface BackfillOptions {
  from: string;
  until: string;
  /** At once. */
  parallel: number;
}

/** Windows are those of the model's Schedule that lie in it whole. @returns the workflow's id. @throws NotFound, Error */
export async function startBackfill(
  esteira: Esteira,
  model: string,
  { from, until, parallel }: BackfillOptions,
): Promise<string> {
  const { setup } = (await esteira.describe(model)) ?? {};
  if (!setup) throw new NotFound(`no model ${model} was ever run; there is nothing to monitor`);
  const everyMs = setup.monitorEveryMs;
  const [first, last] = [
    Math.ceil(Date.parse(from) / everyMs) * everyMs,
    Math.floor(Date.parse(until) / everyMs) * everyMs,
  ];
  if (first >= last)
    throw new Error(`from ${from} until ${until} there is no whole window of ${everyMs / 1_000} s`);
  const window = { from: new Date(first).toISOString(), until: new Date(last).toISOString() };
  const plan = parse(BackfillPlan, { model, window, everyMs, parallel });
  const workflowId = `backfill/${model}/${window.from}/${window.until}`;
  await esteira.client.workflow
    .start<typeof backfill>('backfill', {
      ...{ workflowId, taskQueue: taskQueues.cpu, args: [plan] },
      staticSummary: `${model}: ${window.from.slice(0, 16)} to ${window.until.slice(0, 16)}`,
    })
    .catch((error: unknown) => {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    });
  return workflowId;
}

/** Whenever something has changed, until it is over; the last is how it ended. */
export async function* followBackfill(
  { client }: Esteira,
  workflowId: string,
): AsyncGenerator<BackfillProgress> {
  const handle = client.workflow.getHandle<typeof backfill>(workflowId);
  let over = false;
  const result = handle.result().finally(() => (over = true));
  result.catch(() => undefined); // told below
  for (let last = ''; !over;) {
    const progress = await handle.query<BackfillProgress>('backfill');
    const now = JSON.stringify(progress);
    if (now !== last) yield progress;
    last = now;
    await Promise.race([result.catch(() => undefined), new Promise((resolve) => setTimeout(resolve, 500))]);
  }
  yield await result;
}
