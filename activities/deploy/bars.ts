/**
 * Which versions are barred, and since when, and who let them go again: every record is kept, the last one counts.
 *
 * The first is `quarantine/<version>.json`, those after it `quarantine/<version>/<n>.json`, n from 2. Each is created
 * once, so a second writer of one number meets the first, and what was filed is never replaced.
 */
import { ModelName } from '../../contracts/artifact.ts';
import { parse } from '../../contracts/failures.ts';
import { Bar, Quarantine, Release } from '../../contracts/model.ts';
import { RolloutRecord } from '../../contracts/rollout.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { createJson, readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';

const quarantineKey = (model: string, version: number) => `models/${model}/quarantine/${version}.json`;
const barKey = (model: string, version: number, n: number) =>
  `models/${model}/quarantine/${version}/${n}.json`;

/** All of a version's records, in their order. */
export async function barsOf(store: Store, model: string, version: number): Promise<Bar[]> {
  const first = await readJson(store, quarantineKey(model, version), Quarantine);
  if (!first) return [];
  const bars: Bar[] = [{ kind: 'quarantined', ...first.value }];
  for (let n = 2; ; n++) {
    const next = await readJson(store, barKey(model, version, n), Bar);
    if (!next) return bars;
    bars.push(next.value);
  }
}

/** @returns why the version may not serve; null if it may */
export async function barredBecause(store: Store, model: string, version: number): Promise<string | null> {
  const last = (await barsOf(store, model, version)).at(-1);
  return last?.kind === 'quarantined' ? last.reason : null;
}

/** The first reason stands until it is released. */
export async function writeQuarantine(store: Store, record: Quarantine & { model: string }): Promise<void> {
  const { version, by, reason } = parse(Quarantine, record);
  const model = parse(ModelName, record.model);
  await createJson(store, quarantineKey(model, version), { version, by, reason });
  const bars = await barsOf(store, model, version);
  if (bars.at(-1)?.kind === 'released')
    await createJson(store, barKey(model, version, bars.length + 1), {
      kind: 'quarantined',
      version,
      by,
      reason,
    });
  await failpoint('deploy:barred');
}

/**
 * A release that was filed before is not filed again, also by an entity that a reset took back to that moment: the
 * version may have been barred for something else since.
 */
export async function writeRelease(
  store: Store,
  record: Release & { model: string },
): Promise<{ barred: string | null }> {
  const { version, by, reason } = parse(Release, record);
  const model = parse(ModelName, record.model);
  const bars = await barsOf(store, model, version);
  const filed = bars.some((one) => one.kind === 'released' && one.by === by && one.reason === reason);
  if (!filed && bars.at(-1)?.kind === 'quarantined')
    await createJson(store, barKey(model, version, bars.length + 1), {
      kind: 'released',
      version,
      by,
      reason,
    });
  await failpoint('deploy:released');
  return { barred: await barredBecause(store, model, version) };
}

/** The first word of a run stands. */
export async function recordRollout(store: Store, unparsed: RolloutRecord): Promise<void> {
  const record = parse(RolloutRecord, unparsed);
  await createJson(store, `models/${record.model}/rollouts/${record.version}/${record.run}.json`, record);
  await failpoint('deploy:concluded');
}
