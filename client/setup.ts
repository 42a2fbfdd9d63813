/** Pins a project: its content-hashed copy goes to the store, and what the model entity needs of it along. */
import type { ProjectSetup, TriggerRequest } from '../contracts/model.ts';
import { setupOf } from '../contracts/setup.ts';
import type { PinnedProject } from '../contracts/project.ts';
import { diffOf, pinFiles } from '../infra/project-code.ts';
import { pinProject } from '../infra/project-file.ts';
import { putJsonBlob } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';

/** How a run is asked for. */
export interface RunOptions extends Pick<TriggerRequest, 'drill' | 'reuse'> {
  by: string;
  reason?: string;
  until?: string;
  /** Over the window of the model's last run, which must have failed. */
  recover?: boolean;
}

/** A project's path, or what was pinned already. */
export type Runnable = string | PinnedProject;

export async function pinnedSetup(store: Store, runnable: Runnable): Promise<ProjectSetup> {
  const pinned = typeof runnable === 'string' ? await pinProject(runnable) : runnable;
  const { project, root } = pinned;
  const files = await pinFiles(project, root, store);
  const diff = await diffOf(root);
  const whole: PinnedProject = {
    ...pinned,
    ...(files.length > 0 && { files }),
    ...(diff !== undefined && { gitDiff: await store.putBlob(diff, 'text/x-diff') }),
  };
  return setupOf(await putJsonBlob(store, whole), whole);
}
