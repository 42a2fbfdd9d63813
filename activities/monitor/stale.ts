/** Ticks whose labels were not all there, and may be by now. */
import type { Window } from '../../contracts/artifact.ts';
import { TickRecord } from '../../contracts/monitor.ts';
import { readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { tickKey } from './look.ts';

/** Before the newest: a year of days is for `esteira monitor backfill`. */
const windowsAtMost = 60;
/** Of rows with a label: some never get one. */
const enough = 0.995;

/** @returns windows before this one that lack labels, where some have come since they were looked at; oldest first */
export async function staleTicks(store: Store, model: string, window: Window): Promise<Window[]> {
  let newest = new Date(0);
  for await (const { modifiedAt } of store.list(`labels/${model}/`))
    if (modifiedAt > newest) newest = modifiedAt;
  const looked = new Map<string, Date>();
  for await (const { key, modifiedAt } of store.list(`monitor/${model}/`)) looked.set(key, modifiedAt);
  const [from, until] = [Date.parse(window.from), Date.parse(window.until)];
  const stale: Window[] = [];
  for (let i = windowsAtMost; i >= 1; i--) {
    const back = (ms: number) => new Date(ms - i * (until - from)).toISOString();
    const own = { from: back(from), until: back(until) };
    const key = tickKey(model, own);
    const at = looked.get(key);
    if (!at || at > newest) continue;
    const quality = (await readJson(store, key, TickRecord))?.value.quality;
    if (quality && quality.coverage < enough) stale.push(own);
  }
  return stale;
}
