/**
 * What a replica tells of itself: one object in the store under its name, rewritten each second, deleted when it signs off.
 *
 * A name is given once. Where two processes bear the same, each finds the other's note in the place of its own and says
 * so; both serve on, for what they answer for goes to journals that bear their process's name.
 */
import { randomUUID } from 'node:crypto';
import { ReplicaStatus } from '../contracts/serving.ts';
import { failpoint } from '../infra/failpoint.ts';
import type { Logger } from '../infra/log.ts';
import { readJson, swapJson } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';

/** What killed replicas leave is of use to somebody who looks for them, for a day. */
const keptMs = 86_400_000;
const Author = ReplicaStatus.pick({ instance: true, url: true, startedAt: true });

export class Note {
  readonly #store: Store;
  readonly #log: Logger;
  readonly #replica: string;
  readonly #key: string;
  readonly #instance = randomUUID();
  #etag: string | undefined;
  #written = false;
  /** Processes of the same name that were told of. */
  readonly #twins = new Set<string>();

  constructor(store: Store, log: Logger, replica: string) {
    this.#store = store;
    this.#log = log;
    this.#replica = replica;
    this.#key = `replicas/${replica}.json`;
  }

  async write(status: Omit<ReplicaStatus, 'replica' | 'instance'>): Promise<void> {
    await failpoint('serving:reporting');
    const note: ReplicaStatus = { ...status, replica: this.#replica, instance: this.#instance };
    // The second time over what was found there. Were it left for the next second, a twin would always be first.
    for (let tries = 0; tries < 2; tries++) {
      const etag = await swapJson(this.#store, this.#key, note, this.#etag);
      await failpoint('serving:reported');
      if (etag !== undefined) {
        this.#etag = etag;
        this.#written = true;
        return;
      }
      const found = await readJson(this.#store, this.#key, Author);
      this.#etag = found?.etag;
      if (found && this.#written) this.#compare(found.value);
    }
  }

  /** Unless another process has taken the name over. */
  async signOff(): Promise<void> {
    const found = await readJson(this.#store, this.#key, Author);
    await failpoint('serving:flushed');
    if (found?.value.instance === this.#instance) await this.#store.delete(this.#key);
  }

  #compare({ instance = 'of 0.3.0', url, startedAt }: ReturnType<typeof Author.parse>): void {
    if (instance === this.#instance || this.#twins.has(instance)) return;
    this.#twins.add(instance);
    this.#log.error(
      { url, startedAt },
      `another process serves as replica ${this.#replica} too, and what operators see is now one, now the other; ` +
        'start each with a --replica of its own',
    );
  }
}

/** Of replicas that were killed and never came back. */
export async function sweepNotes(store: Store): Promise<void> {
  for await (const { key, modifiedAt } of store.list('replicas/'))
    if (Date.now() - modifiedAt.getTime() > keptMs) await store.delete(key);
}
