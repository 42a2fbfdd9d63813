/** Models that share the main thread run one after the other, with a turn of the event loop between. */
import type { Run } from './lane.ts';

/**
 * A run blocks the loop for as long as it takes. Several lanes with a run each would block it for the sum of them, and
 * neither health checks nor other connections would be heard in between.
 */
export class OneThread {
  #last: Promise<unknown> = Promise.resolve();
  #busy = 0;

  /** @returns the same, in its turn */
  share(run: Run): Run {
    return (feeds) => {
      const mine = this.#busy++ === 0 ? run(feeds) : this.#last.then(() => run(feeds));
      this.#last = mine.then(this.#done, this.#done);
      return mine;
    };
  }

  #done = (): void => {
    this.#busy--;
  };
}
