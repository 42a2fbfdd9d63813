/**
 * What the store remembers of a model: enough for its entity to go on when the Temporal server's
 * state was lost, without giving a number or an epoch twice.
 */
import { ModelName } from '../../contracts/artifact.ts';
import { parse } from '../../contracts/failures.ts';
import { Quarantine } from '../../contracts/model.ts';
import type { Recalled } from '../../contracts/model.ts';
import { Package, Slots, VersionRecord } from '../../contracts/serving.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { createJson, readJson, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { currentKey, quarantineKey, versionKey } from './slots.ts';

/** As many as the entity keeps in its state. */
const versionsAtMost = 200;

/** The first reason stands. */
export async function writeQuarantine(store: Store, record: Quarantine & { model: string }): Promise<void> {
  const { version, by, reason } = parse(Quarantine, record);
  await createJson(store, quarantineKey(parse(ModelName, record.model), version), { version, by, reason });
  await failpoint('deploy:barred');
}

export async function recall(store: Store, model: string): Promise<Recalled> {
  const numbers = await versionNumbers(store, parse(ModelName, model));
  const versions: Recalled['versions'] = [];
  for (const version of numbers.slice(-versionsAtMost)) {
    const record = await readJson(store, versionKey(model, version), VersionRecord);
    if (!record) continue;
    const { lifecycleId, package: stored } = record.value;
    const { onnx } = await readJsonBlob(store, stored, Package);
    const barred = await readJson(store, quarantineKey(model, version), Quarantine);
    versions.push({ version, lifecycleId, package: stored, onnx, quarantined: barred?.value.reason ?? null });
  }
  return {
    versions,
    nextVersion: (numbers.at(-1) ?? 0) + 1,
    lifecycles: await lastLifecycle(store, model),
    slots: (await readJson(store, currentKey(model), Slots))?.value ?? null,
  };
}

async function versionNumbers(store: Store, model: string): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { key } of store.list(`models/${model}/versions/`)) {
    const [, number] = /\/([1-9][0-9]*)\.json$/.exec(key) ?? [];
    if (number) numbers.push(Number(number));
  }
  return numbers.toSorted((a, b) => a - b);
}

/** Keys are `runs/lifecycle/<model>/<n>/<stage>/…`. */
async function lastLifecycle(store: Store, model: string): Promise<number> {
  const prefix = `runs/lifecycle/${model}/`;
  let last = 0;
  for await (const { key } of store.list(prefix))
    last = Math.max(last, Number.parseInt(key.slice(prefix.length), 10));
  return last;
}
