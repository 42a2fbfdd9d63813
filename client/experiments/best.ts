/** Which of some runs is best: by which metric, and which way it points. */
import { PinnedProject } from '../../contracts/project.ts';
import { readJson, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { namesIn, valueOf } from './names.ts';
import { unlessGone } from './read.ts';
import type { WholeRun } from './read.ts';
import { TrainRecord } from './run.ts';
import type { Run } from './run.ts';
import { byFame } from './table.ts';

export interface Goal {
  metric: string;
  ascending: boolean;
}

/** By custom; a trainer may call its metrics anything. */
export function lowerIsBetter(metric: string): boolean {
  return /loss|error|rmse|mae|mse|mape|brier|(^|_)ece$|perplexity|_gap$|^(seconds|cost)$/.test(metric);
}

/**
 * @param asked `--metric`; else the best known metric that all of them have, or most
 * @throws Error when no run has it
 */
export async function goalOf(store: Store, wholes: readonly WholeRun[], asked?: string): Promise<Goal> {
  const runs = wholes.map(({ run }) => run);
  const metric = asked ?? commonest(runs);
  valueOf(metric, namesIn(runs));
  if (metric === 'search_value')
    return { metric, ascending: (await searchGoal(store, runs[0])) !== 'maximize' };
  return { metric, ascending: lowerIsBetter(metric.replace(/^metric\./, '')) };
}

function commonest(runs: readonly Run[]): string {
  const { metrics } = namesIn(runs);
  const count = (name: string) => runs.filter((run) => name in run.metrics).length;
  const most = Math.max(0, ...metrics.map(count));
  return byFame(metrics.filter((name) => count(name) === most))[0] ?? 'seconds';
}

/** As the project of the trial's lifecycle has it; undefined while that has not trained, or when it is gone. */
async function searchGoal(store: Store, run: Run | undefined): Promise<string | undefined> {
  if (!run) return undefined;
  const train = await readJson(store, `runs/${run.lifecycleId}/train/record.json`, TrainRecord);
  const project = train?.value.inputs['project'];
  if (!project) return undefined;
  const pinned = await readJsonBlob(store, project, PinnedProject).catch(unlessGone);
  return pinned?.project.search?.goal;
}
