/** Keeps `models/<model>/standing.json`, which only goes forward, whatever comes late or twice. */
import { Standing, standingKey } from '../contracts/standing.ts';
import { readJson, swapJson } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';

export function noteTick(store: Store, model: string, name: string, until: string): Promise<void> {
  return change(store, model, (standing) =>
    standing.tick && standing.tick.until >= until ? standing : { ...standing, tick: { name, until } },
  );
}

/** @param outcome null: it has started */
export function noteLifecycle(
  store: Store,
  model: string,
  lifecycleId: string,
  outcome: string | null,
): Promise<void> {
  return change(store, model, (standing) => {
    const known = standing.lifecycle;
    const older = known !== null && numberOf(known.lifecycleId) > numberOf(lifecycleId);
    const same = known?.lifecycleId === lifecycleId;
    // Its start may be noted after its end, by a second attempt.
    if (older || (same && (outcome === null || known.outcome === outcome))) return standing;
    return { ...standing, lifecycle: { lifecycleId, at: new Date().toISOString(), outcome } };
  });
}

const numberOf = (lifecycleId: string): number => Number(lifecycleId.split('/')[2]);

async function change(store: Store, model: string, act: (standing: Standing) => Standing): Promise<void> {
  const key = standingKey(model);
  for (;;) {
    const found = await readJson(store, key, Standing);
    const before = found?.value ?? { tick: null, lifecycle: null };
    const after = act(before);
    if (after === before || (await swapJson(store, key, after, found?.etag)) !== undefined) return;
  }
}
