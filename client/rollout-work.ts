/** What a rollout does just now, from its model's slots: a bake is silent, and may last for weeks. */
import type { ModelDescription } from '../contracts/model.ts';
import type { RolloutView } from '../contracts/rollout.ts';

/**
 * @param view as the rollout itself has it; without it the slots alone tell
 * @returns undefined before the version has a slot, and once it is champion
 */
export function rolloutWork(
  described: ModelDescription | undefined,
  lifecycleId: string,
  view?: RolloutView,
): { doing: string; until?: string } | undefined {
  const challenger = described?.slots?.challenger;
  const version = described?.versions.find((one) => one.lifecycleId === lifecycleId)?.version;
  if (!challenger || challenger.version !== version) return undefined;
  const { share, shadow } = challenger;
  if (share === 0 && !shadow)
    return { doing: `version ${version} loads everywhere and repeats its golden predictions` };
  const traffic = shadow
    ? `answers ${percent(shadow)} of the requests unseen`
    : `takes ${percent(share)} of the traffic`;
  const doing = `version ${version} ${traffic}`;
  if (view?.paused) return { doing: `${doing}, paused` };
  const steps = described.setup?.traffic?.steps ?? described.setup?.bakes ?? [];
  const step = steps.find((one) => one.share === share);
  // Pauses count to no bake: then only the rollout itself knows when it ends.
  if (!step || view?.acts.length) return { doing };
  return { doing, until: new Date(Date.parse(described.slots!.at) + step.bakeMs).toISOString() };
}

const percent = (share: number): string => `${Math.round(share * 1_000) / 10} %`;
