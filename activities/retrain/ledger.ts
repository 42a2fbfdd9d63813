/** The inbox ledger: `events/<model>/<trigger id>.json`, what became of every trigger, for ever. */
import { ModelName } from '../../contracts/artifact.ts';
import { parse } from '../../contracts/failures.ts';
import type { Trigger } from '../../contracts/lifecycle.ts';
import { LedgerEntry } from '../../contracts/model.ts';
import type { Disposition } from '../../contracts/model.ts';
import { sha256 } from '../../infra/digest.ts';
import { readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';

export const ledgerKey = (model: string, id: string) =>
  `events/${parse(ModelName, model)}/${fileName(id)}.json`;

/** An id as people gave it where it is fit for a path, else its digest. */
function fileName(id: string): string {
  return /^[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9][\w.-]*)*$/.test(id) ? id : sha256(id);
}

/** Triggers that wait behind this lifecycle, or for a time after it: the next one carries them. Reads the model's whole ledger. */
export async function mergedBehind(store: Store, model: string, lifecycleId: string): Promise<Trigger[]> {
  const found: Trigger[] = [];
  for await (const { key } of store.list(`events/${parse(ModelName, model)}/`)) {
    const { trigger, disposition } = (await readJson(store, key, LedgerEntry))?.value ?? {};
    if (trigger && disposition && waitsBehind(disposition, lifecycleId)) found.push(trigger);
  }
  return found;
}

function waitsBehind(disposition: Disposition, lifecycleId: string): boolean {
  if (disposition.status === 'merged') return disposition.behind === lifecycleId;
  return disposition.status === 'waiting' && disposition.after === lifecycleId;
}
