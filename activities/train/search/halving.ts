/**
 * Asynchronous successive halving: a trial that passes a rung is judged against all that have passed it so far, and
 * stops unless it is among the best. Nobody waits for anybody, so that no worker idles.
 *
 * @see Li et al., "A System for Massively Parallel Hyperparameter Tuning" (ASHA), MLSys 2020; in the stopping form, where
 * what goes on is never paused
 */
import { z } from 'zod';
import type { Search } from '../../../contracts/training.ts';
import { createJson, readJson } from '../../../infra/store/json.ts';
import type { Store } from '../../../infra/store/store.ts';
import type { Judge } from '../listener.ts';

const Passed = z.object({ loss: z.number() });

/** @param lossOf of the metric's value: smaller is better */
export function halvingJudge(
  store: Store,
  folder: string,
  trial: number,
  { halving, metric }: Search,
  lossOf: (value: number) => number,
): Judge | undefined {
  if (!halving) return undefined;
  const { first, reduction } = halving;
  let rung = 0;
  return async (step, steps, series) => {
    const value = series.last(metric);
    while (value !== undefined && steps > 0 && step < steps && step / steps >= first * reduction ** rung) {
      const at = `${folder}/rungs/${rung}`;
      await createJson(store, `${at}/${trial}.json`, { loss: lossOf(value) });
      const stop = await isWorse(store, at, lossOf(value), reduction);
      if (stop)
        return `stopped at ${Math.round((100 * step) / steps)} % of its steps: not among the best 1/${reduction} there`;
      rung++;
    }
    return undefined;
  };
}

async function isWorse(store: Store, at: string, loss: number, reduction: number): Promise<boolean> {
  const losses: number[] = [];
  for await (const { key } of store.list(`${at}/`)) {
    const found = await readJson(store, key, Passed);
    if (found) losses.push(found.value.loss);
  }
  // Fewer than that cannot be told apart: the first ones go on.
  if (losses.length < reduction) return false;
  const kept = Math.floor(losses.length / reduction);
  return loss > losses.toSorted((a, b) => a - b)[kept - 1]!;
}
