/**
 * A search over parameters: trials side by side, each an activity with a record of its own.
 *
 * The history holds a number and a value a trial. What to try, what is known of each, and which was best is in the store;
 * so a search that is killed goes on where it was, and one of a thousand trials continues as new a few times.
 */
import {
  continueAsNew,
  defineQuery,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { Priority } from '@temporalio/common';
import type { TrialSummary } from '../contracts/activities.ts';
import type { Input } from '../contracts/lifecycle.ts';
import { trainOn } from './stages.ts';

export interface SearchPlan extends Input<'train'> {
  trials: number;
  parallel: number;
  device: 'cpu' | 'gpu';
  priority?: Priority;
  /** The next trial's number, and what came of those before: carried across continue-as-new. */
  next: number;
  done: number;
  failed: number;
  best: { trial: number; value: number; loss: number } | null;
}

export interface SearchView {
  trials: number;
  done: number;
  failed: number;
  running: number;
  best: SearchPlan['best'];
}

export const searchQuery = defineQuery<SearchView>('search');

/** A search whose first trials all fail has nothing to learn from more of them. */
const failuresAtFirst = 5;
const eventsAtMost = 2_000;

export async function search(plan: SearchPlan): Promise<SearchView> {
  const { trials, parallel, device, priority, ...rest } = plan;
  const { lifecycleId, project, prepared } = rest;
  const state = { ...rest, running: 0 };
  const view = (): SearchView => {
    const { done, failed, running, best } = state;
    return { trials, done, failed, running, best };
  };
  setHandler(searchQuery, view);
  const hopeless = () => state.failed >= failuresAtFirst && state.failed === state.done;
  const full = () => workflowInfo().continueAsNewSuggested || workflowInfo().historyLength > eventsAtMost;

  const lane = async () => {
    while (state.next <= trials && !full() && !hopeless()) {
      const trial = state.next++;
      state.running++;
      const made = await trainOn[device].trial.executeWithOptions(
        { summary: `trial ${trial} of ${trials}`, ...(priority && { priority }) },
        [{ lifecycleId, project, prepared, trial }],
      );
      state.running--;
      note(state, made);
      setCurrentDetails(detailsOf(view()));
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, trials) }, lane));
  if (state.next <= trials && !hopeless()) {
    const { running: _, ...carried } = state;
    await continueAsNew<typeof search>({ ...plan, ...carried });
  }
  return view();
}

function note(state: Pick<SearchPlan, 'done' | 'failed' | 'best'>, made: TrialSummary): void {
  state.done++;
  if (made.state === 'failed') state.failed++;
  const { trial, value, loss } = made;
  if (value === null || loss === null) return;
  // Of equals the first, as the choice at the end has it; results may come in any order.
  const { best } = state;
  if (!best || loss < best.loss || (loss === best.loss && trial < best.trial))
    state.best = { trial, value, loss };
}

function detailsOf({ trials, done, failed, best }: SearchView): string {
  return [
    `### ${done} of ${trials} trials`,
    best ? `best so far: trial **${best.trial}** with ${best.value}` : 'no value yet',
    ...(failed > 0 ? [`${failed} failed`] : []),
  ].join('\n\n');
}
