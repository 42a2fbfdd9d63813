/**
 * What the store remembers of a model: enough for its entity to go on when the Temporal server's
 * state was lost, without giving a number or an epoch twice.
 */
import { ModelName } from '../../contracts/artifact.ts';
import type { Artifact } from '../../contracts/artifact.ts';
import { failedWith, parse } from '../../contracts/failures.ts';
import type { Trigger } from '../../contracts/lifecycle.ts';
import type { ProjectSetup, Recalled } from '../../contracts/model.ts';
import { PinnedProject } from '../../contracts/project.ts';
import { setupOf } from '../../contracts/setup.ts';
import { Package, Slots, VersionRecord } from '../../contracts/serving.ts';
import { readJson, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { mergedBehind } from '../retrain/ledger.ts';
import { barredBecause } from './bars.ts';
import { currentKey, versionKey } from './slots.ts';

/** As many as the entity keeps in its state. */
const versionsAtMost = 50;

export interface RecallDeps {
  store: Store;
  /** Null when the server knows none of that id. */
  findLifecycle(
    workflowId: string,
  ): Promise<{ trigger: Trigger | null; project: Artifact | null; running: boolean } | null>;
}

export async function recall({ store, findLifecycle }: RecallDeps, model: string): Promise<Recalled> {
  const numbers = await versionNumbers(store, parse(ModelName, model));
  const slots = (await readJson(store, currentKey(model), Slots))?.value ?? null;
  const inSlots = [slots?.champion, slots?.challenger, slots?.previous].map((slot) => slot?.version);
  const newest = (numbers.at(-1) ?? 0) - versionsAtMost;
  const versions: Recalled['versions'] = [];
  for (const version of numbers.filter((one) => one > newest || inSlots.includes(one))) {
    const record = await readJson(store, versionKey(model, version), VersionRecord);
    if (!record) continue;
    const { lifecycleId, package: stored } = record.value;
    const { onnx } = await readJsonBlob(store, stored, Package);
    const quarantined = await barredBecause(store, model, version);
    versions.push({ version, lifecycleId, package: stored, onnx, quarantined });
  }
  return {
    versions,
    nextVersion: (numbers.at(-1) ?? 0) + 1,
    slots,
    ...(await lifecyclesOf({ store, findLifecycle }, model, versions.at(-1)?.package)),
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

/** The project's own needs, out of its pinned copy. */
async function setupFrom(store: Store, project: Artifact | undefined): Promise<ProjectSetup | null> {
  if (!project) return null;
  // A project of another release may not read: then the next run brings its own.
  const pinned = await readJsonBlob(store, project, PinnedProject).catch((error: unknown) => {
    if (failedWith(error, 'InvalidInput')) return undefined;
    throw error;
  });
  return pinned ? setupOf(project, pinned) : null;
}

/** The store may not know of the last one yet, which has only just begun. */
async function lifecyclesOf(
  { store, findLifecycle }: RecallDeps,
  model: string,
  packed: Artifact | undefined,
) {
  const idOf = (number: number) => `lifecycle/${model}/${number}`;
  let lifecycles = await lastLifecycle(store, model);
  let last = lifecycles > 0 ? await findLifecycle(idOf(lifecycles)) : null;
  for (let next; (next = await findLifecycle(idOf(lifecycles + 1)));) {
    last = next;
    lifecycles++;
  }
  const lifecycleId = idOf(lifecycles);
  const inFlight = last?.running && last.trigger ? { lifecycleId, trigger: last.trigger } : null;
  // What was run last; the newest version's project, where the server has forgotten.
  const project = last?.project ?? (packed && (await readJsonBlob(store, packed, Package)).project);
  const setup = await setupFrom(store, project);
  return { lifecycles, inFlight, setup, waiting: await mergedBehind(store, model, lifecycleId) };
}

/** Keys are `runs/lifecycle/<model>/<n>/<stage>/…`. */
async function lastLifecycle(store: Store, model: string): Promise<number> {
  const prefix = `runs/lifecycle/${model}/`;
  let last = 0;
  for await (const { key } of store.list(prefix))
    last = Math.max(last, Number.parseInt(key.slice(prefix.length), 10));
  return last;
}
