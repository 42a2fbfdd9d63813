/**
 * `runs/<lifecycleId>/search/results/<trial>.json`: the few numbers of each trial that the next choice goes by.
 *
 * They never change, so that each is read once a process: a thousand trials cost a thousand reads, not half a million.
 */
import { TrialRecord } from '../../../contracts/experiment.ts';
import { createJson, readJson } from '../../../infra/store/json.ts';
import type { Store } from '../../../infra/store/store.ts';
import type { z } from 'zod';

const Result = TrialRecord.pick({ trial: true, state: true, parameters: true, value: true, message: true });
export type Result = z.infer<typeof Result>;

/** Searches whose results are kept at hand. */
const searchesAtMost = 20;

export class Results {
  readonly #store: Store;
  readonly #known = new Map<string, Map<string, Result>>();

  constructor(store: Store) {
    this.#store = store;
  }

  async add(lifecycleId: string, { trial, state, parameters, value, message }: TrialRecord): Promise<void> {
    const result = {
      trial,
      state,
      parameters,
      value,
      ...(message !== undefined && { message: message.slice(0, 500) }),
    };
    await createJson(this.#store, `${folderOf(lifecycleId)}${trial}.json`, result);
  }

  /** In the order of their numbers. Costs one listing, and one reading for each that is new. */
  async of(lifecycleId: string): Promise<Result[]> {
    const known = this.#known.get(lifecycleId) ?? new Map<string, Result>();
    this.#known.delete(lifecycleId);
    this.#known.set(lifecycleId, known);
    if (this.#known.size > searchesAtMost) this.#known.delete(this.#known.keys().next().value!);
    for await (const { key } of this.#store.list(folderOf(lifecycleId))) {
      if (known.has(key)) continue;
      const found = await readJson(this.#store, key, Result);
      if (found) known.set(key, found.value);
    }
    return [...known.values()].toSorted((a, b) => a.trial - b.trial);
  }
}

const folderOf = (lifecycleId: string): string => `runs/${lifecycleId}/search/results/`;
