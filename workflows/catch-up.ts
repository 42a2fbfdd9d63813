/** How a model entity that has fallen behind the store gets level with it: after a reset, it lives in the past. */
import type { ModelState } from '../contracts/model.ts';
import { quick } from './stages.ts';

/** Versions, slots and numbers as the store has them. Never takes a number back, nor forgets a version. */
export async function catchUp(state: ModelState): Promise<void> {
  const { lifecycles, versions, nextVersion, slots } = await quick.recall({ model: state.model });
  const found = new Set(versions.map(({ version }) => version));
  Object.assign(state, {
    versions: [...state.versions.filter(({ version }) => !found.has(version)), ...versions],
    slots: slots ?? state.slots,
    nextVersion: Math.max(state.nextVersion, nextVersion),
    lifecycles: Math.max(state.lifecycles, lifecycles),
  });
}
