/** Pins a project: its content-hashed copy goes to the store, and what the model entity needs of it along. */
import type { ProjectSetup } from '../contracts/model.ts';
import { durationMs } from '../contracts/project.ts';
import { pinProject } from '../infra/project-file.ts';
import { putJsonBlob } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';

/** Long enough for anybody; only `auto` policies, which wait for nobody, get it. */
const noDeadlineMs = 7 * 86_400_000;

export async function pinnedSetup(store: Store, projectPath: string): Promise<ProjectSetup> {
  const pinned = await pinProject(projectPath);
  const { project, policyDigest } = pinned;
  const { approval } = project;
  const asks = approval.policy === 'people' ? approval : undefined;
  return {
    model: project.model,
    project: await putJsonBlob(store, pinned),
    windowMs: durationMs(project.window),
    cooldownMs: durationMs(project.retrain.cooldown),
    monitorEveryMs: durationMs(project.monitor.every),
    bakes: project.rollout.steps.map(({ share, bake }) => ({ share, bakeMs: durationMs(bake) })),
    policy: approval,
    policyDigest,
    deadlineMs: asks ? durationMs(asks.deadline) : noDeadlineMs,
    ...(asks?.reminder && { reminderMs: durationMs(asks.reminder) }),
    device: project.trainer.backend === 'command' ? project.trainer.device : 'cpu',
  };
}
