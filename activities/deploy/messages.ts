/** How an activity reaches a model entity; `infra/temporal.ts` gives the real way. */
import type { ModelUpdates } from '../../contracts/model.ts';

export interface ModelMessages {
  /** Sends an update and waits for its answer. The same `updateId` again gets the same answer. */
  update<K extends keyof ModelUpdates>(
    model: string,
    name: K,
    message: ModelUpdates[K][0],
    updateId: string,
  ): Promise<ModelUpdates[K][1]>;
}
