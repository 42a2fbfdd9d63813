/** What a model's lifecycles have taken, by the records of their stages. */
import type { Spent } from '../../contracts/retrain.ts';
import { ModelName } from '../../contracts/artifact.ts';
import { parse } from '../../contracts/failures.ts';
import { readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { StageRecord } from '../record.ts';

/** @param since stages that began earlier do not count. A lifecycle counts once a stage of it is on record. */
export async function spentSince(store: Store, model: string, since: string): Promise<Spent> {
  const lifecycles = new Set<string>();
  let [seconds, money] = [0, 0];
  for await (const { key, modifiedAt } of store.list(`runs/lifecycle/${parse(ModelName, model)}/`)) {
    // Written when its stage ended, which is after it began.
    if (!key.endsWith('/record.json') || modifiedAt.toISOString() < since) continue;
    const record = (await readJson(store, key, StageRecord))?.value;
    if (!record || record.startedAt < since) continue;
    lifecycles.add(record.lifecycleId);
    seconds += record.seconds;
    const { cost } = record.details;
    if (typeof cost === 'number') money += cost;
  }
  return { runs: lifecycles.size, seconds, money };
}
