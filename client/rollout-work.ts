/** What a rollout does just now, from its model's slots: a bake is silent, and may last for hours. */
import type { ModelDescription } from '../contracts/model.ts';

/** @returns undefined before the version has a slot, and once it is champion */
export function rolloutWork(
  described: ModelDescription | undefined,
  lifecycleId: string,
): { doing: string; until?: string } | undefined {
  const challenger = described?.slots?.challenger;
  const version = described?.versions.find((one) => one.lifecycleId === lifecycleId)?.version;
  if (!challenger || challenger.version !== version) return undefined;
  const { share } = challenger;
  if (share === 0) return { doing: `version ${version} loads everywhere and repeats its golden predictions` };
  const bake = described?.setup?.bakes.find((one) => one.share === share);
  const doing = `version ${version} takes ${Math.round(share * 1_000) / 10} % of the traffic`;
  if (!bake) return { doing };
  return { doing, until: new Date(Date.parse(described.slots!.at) + bake.bakeMs).toISOString() };
}
