/** The version that serves, with everything that was packed with it. */
import { PinnedProject } from '../../contracts/project.ts';
import type { Project } from '../../contracts/project.ts';
import { Package, Slots } from '../../contracts/serving.ts';
import { readJson, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';

export interface Champion {
  version: number;
  made: Package;
  project: Project;
  pinned: PinnedProject;
}

/** @returns undefined when nothing serves */
export async function championOf(store: Store, model: string): Promise<Champion | undefined> {
  const slots = await readJson(store, `models/${model}/current.json`, Slots);
  const champion = slots?.value.champion;
  if (!champion) return undefined;
  const made = await readJsonBlob(store, champion.package, Package);
  const pinned = await readJsonBlob(store, made.project, PinnedProject);
  return { version: champion.version, made, project: pinned.project, pinned };
}
