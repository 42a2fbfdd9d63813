/** Pins a project: its content-hashed copy goes to the store, and what the model entity needs of it along. */
import type { ProjectSetup } from '../contracts/model.ts';
import { setupOf } from '../contracts/setup.ts';
import { pinProject } from '../infra/project-file.ts';
import { putJsonBlob } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';

export async function pinnedSetup(store: Store, projectPath: string): Promise<ProjectSetup> {
  const pinned = await pinProject(projectPath);
  return setupOf(await putJsonBlob(store, pinned), pinned);
}
