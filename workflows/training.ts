/** The train stage of a lifecycle: one training, or a search; on a device, or on what there is. */
import { executeChild, patched, workflowInfo } from '@temporalio/workflow';
import type { Input, LifecyclePlan, Output } from '../contracts/lifecycle.ts';
import { searchWorkflowId } from '../contracts/search.ts';
import type { Progress } from './progress.ts';
import { reuseOf, cacheText } from './reuse.ts';
import { search } from './search.ts';
import { onCpu, trainOn, waiting } from './stages.ts';
import { count } from './text.ts';

type Prepared = Output<'prepare'>;

export async function trained(
  plan: LifecyclePlan,
  progress: Progress,
  prepared: Prepared,
): Promise<Output<'train'>> {
  const { lifecycleId, project } = plan;
  const device = await deviceOf(plan, progress);
  const input = { lifecycleId, project, ...reuseOf(plan, 'train'), prepared };
  if (plan.training?.search) return searched(plan, progress, input, device);
  const candidate = await trainOn[device].train.executeWithOptions(
    { summary: `${count(prepared.rows.train)} rows on ${device}`, ...queueing(plan) },
    [input],
  );
  if (candidate.importedFrom !== undefined) {
    progress.note(`imported from ${candidate.importedFrom}`);
    return candidate;
  }
  progress.note(
    `${candidate.steps} steps${lossOf(candidate)}${fellBack(plan, device)}${cacheText(candidate)}`,
  );
  return candidate;
}

async function searched(
  plan: LifecyclePlan,
  progress: Progress,
  input: Input<'train'>,
  device: 'cpu' | 'gpu',
): Promise<Output<'train'>> {
  const { trials, parallel } = plan.training!.search!;
  const found = await executeChild(search, {
    workflowId: searchWorkflowId(plan.lifecycleId),
    args: [
      { ...input, trials, parallel, device, ...queueing(plan), next: 1, done: 0, failed: 0, best: null },
    ],
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    parentClosePolicy: 'REQUEST_CANCEL',
    staticSummary: `${trials} trainings of ${plan.model}, ${parallel} at once`,
    typedSearchAttributes: workflowInfo().typedSearchAttributes,
  });
  const candidate = await onCpu.chooseTrial.executeWithOptions(
    { summary: `the best of ${found.done} trials` },
    [{ ...input, trials }],
  );
  const best = found.best === null ? '' : `, the best is trial ${found.best.trial}`;
  progress.note(`${found.done} trials${best}${lossOf(candidate)}${fellBack(plan, device)}`);
  return candidate;
}

/** Says at once what it waits for when nobody serves the queue, and since when. */
async function deviceOf(plan: LifecyclePlan, progress: Progress): Promise<'cpu' | 'gpu'> {
  // 0.3.0: until then a run for a queue without workers waited without a word.
  if (plan.device === 'cpu' || !patched('await-worker')) return plan.device;
  const { served, since } = await waiting.awaitWorker.executeWithOptions(
    { summary: 'does anybody serve the gpu queue?' },
    [{ queue: 'gpu', patienceMs: 0 }],
  );
  if (served) return 'gpu';
  const patienceMs = plan.training?.fallbackAfterMs ?? null;
  const then = patienceMs === null ? '' : `; after ${patienceMs / 1_000} s it trains on a cpu worker`;
  progress.wait(`a gpu worker, for nobody serves the gpu queue (since ${since.slice(0, 19)}Z)${then}`);
  const came = await waiting.awaitWorker.executeWithOptions({ summary: 'waits for a gpu worker' }, [
    { queue: 'gpu', patienceMs },
  ]);
  progress.wait(null);
  return came.served ? 'gpu' : 'cpu';
}

/** Models of one priority take turns, where the server's fairness is on. */
function queueing({ training, model }: LifecyclePlan) {
  return training ? { priority: { priorityKey: training.priority, fairnessKey: model } } : {};
}

function lossOf({ metrics }: Output<'train'>): string {
  const loss = metrics['validation_loss'];
  return loss === undefined ? '' : `, validation loss ${loss.toFixed(4)}`;
}

const fellBack = (plan: LifecyclePlan, device: string): string =>
  device === plan.device ? '' : ', on a cpu worker, for no gpu worker came';
