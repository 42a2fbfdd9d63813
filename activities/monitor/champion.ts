/** The version that serves, with everything that was packed with it. */
import { PinnedProject } from '../../contracts/project.ts';
import type { Project } from '../../contracts/project.ts';
import { Package, Slots, VersionRecord } from '../../contracts/serving.ts';
import { readJson, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { versionKey } from '../deploy/slots.ts';

export interface Champion {
  model: string;
  version: number;
  made: Package;
  project: Project;
  pinned: PinnedProject;
}

/** @returns undefined when nothing serves. What it is held against is in its own project. */
export async function championOf(store: Store, model: string): Promise<Champion | undefined> {
  const slots = await readJson(store, `models/${model}/current.json`, Slots);
  const champion = slots?.value.champion;
  if (!champion) return undefined;
  const made = await readJsonBlob(store, champion.package, Package);
  const pinned = await readJsonBlob(store, made.project, PinnedProject);
  return { model, version: champion.version, made, project: pinned.project, pinned };
}

/** The version that served then, under the rules of the one that serves now; the latter where there is no such version. */
export async function versionThen(store: Store, now: Champion, version: number): Promise<Champion> {
  if (version === now.version) return now;
  const record = await readJson(store, versionKey(now.model, version), VersionRecord);
  return record ? { ...now, version, made: await readJsonBlob(store, record.value.package, Package) } : now;
}
