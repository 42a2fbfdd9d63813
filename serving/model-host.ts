/**
 * One model's slots on this replica: follows `models/<name>/current.json`.
 *
 * A change is made ready beside the running state and then takes its place in one assignment, so every request
 * sees the old slots or the new ones, never half of each. What cannot be loaded leaves the old state and is told.
 */
import { ApplicationFailure } from '@temporalio/common';
import type { ReplicaStatus, Slots } from '../contracts/serving.ts';
import { failpoint } from '../infra/failpoint.ts';
import type { Logger } from '../infra/log.ts';
import type { Store } from '../infra/store/store.ts';
import type { Host, HostState, Routed } from './catalogue.ts';
import { loadVersion } from './loaded-version.ts';
import type { LoadedVersion, LoadSettings } from './loaded-version.ts';
import { goesToChallenger } from './routing.ts';

type Failed = ReplicaStatus['models'][string]['failed'][number];

/** A store that hiccups is asked again; what fails this often is told to the rollout. */
const patience = 3;

export class ModelHost implements Host {
  readonly name: string;
  readonly #store: Store;
  readonly #log: Logger;
  readonly #settings: LoadSettings;
  #state: HostState = { epoch: 0, champion: undefined, challenger: undefined };
  #failed: Failed[] = [];
  #attempts = { epoch: 0, count: 0 };
  /** When the state was taken. */
  #since: string | undefined;

  constructor(name: string, store: Store, log: Logger, settings: LoadSettings) {
    this.name = name;
    this.#store = store;
    this.#settings = settings;
    this.#log = log.child({ model: name });
  }

  get state(): HostState {
    return this.#state;
  }

  /** The newest epoch that the store was seen to have. */
  get desired(): number {
    return Math.max(this.#attempts.epoch, this.#state.epoch);
  }

  get ready(): boolean {
    return this.#state.champion !== undefined;
  }

  /** Versions in memory, the champion first. */
  get loaded(): LoadedVersion[] {
    const { champion, challenger } = this.#state;
    return [champion, challenger].filter((version) => version !== undefined);
  }

  get status(): ReplicaStatus['models'][string] {
    const counters = this.loaded.map((version) => version.counters.value);
    return {
      epoch: this.#state.epoch,
      desired: this.desired,
      ...(this.#since && { since: this.#since }),
      loaded: counters.map(({ version }) => version),
      failed: [...this.#failed, ...this.#faults()],
      counters,
    };
  }

  /** What was loaded, and cannot answer now. */
  #faults(): Failed[] {
    const { epoch } = this.#state;
    return this.loaded.flatMap(({ version, fault }) => {
      const reason = fault();
      return reason === undefined ? [] : [{ version, epoch, reason }];
    });
  }

  /** @returns which version answers a caller with this key, and by which route */
  route(key: string): Routed | undefined {
    const { champion, challenger, epoch } = this.#state;
    if (challenger && goesToChallenger(this.name, key, challenger.share)) {
      return { version: challenger, route: 'challenger', epoch };
    }
    return champion && { version: champion, route: 'champion', epoch };
  }

  /**
   * Not to be called again before it has resolved.
   * @returns whether these slots are settled here, taken or given up; false asks for another try
   */
  async follow(slots: Slots): Promise<boolean> {
    if (slots.epoch <= this.#state.epoch) return true;
    if (slots.epoch !== this.#attempts.epoch) this.#attempts = { epoch: slots.epoch, count: 0 };
    this.#attempts.count++;
    await failpoint('serving:slots');
    const fresh: LoadedVersion[] = [];
    try {
      const failed: Failed[] = [];
      const champion = await this.#take(slots.champion, slots.epoch, fresh, failed);
      const challenger = await this.#take(slots.challenger, slots.epoch, fresh, failed);
      if (failed.length > 0) return await this.#giveUp(fresh, failed);
      await failpoint('serving:proved');
      const { share = 0, shadow = 0 } = slots.challenger ?? {};
      this.#swap({
        epoch: slots.epoch,
        champion,
        challenger: challenger && { ...challenger, share, shadow },
      });
      return true;
    } catch (error) {
      await retire(fresh);
      throw error;
    }
  }

  /** From memory where it is there. What fails is noted in `failed`, what is opened in `fresh`. */
  async #take(
    slot: Slots['champion'],
    epoch: number,
    fresh: LoadedVersion[],
    failed: Failed[],
  ): Promise<LoadedVersion | undefined> {
    if (!slot) return undefined;
    const { version } = slot;
    const here = [...this.loaded, ...fresh].find((one) => one.digest === slot.package.sha256);
    if (here) return here;
    const onFault = (error: unknown) =>
      this.#log.error({ err: error, version }, 'the thread of a version ended; it will be opened again');
    try {
      const loaded = await loadVersion(this.#store, slot, this.#settings, onFault);
      fresh.push(loaded);
      return loaded;
    } catch (error) {
      this.#log.error({ err: error, version, epoch }, 'a version could not be loaded');
      const final = error instanceof ApplicationFailure && error.nonRetryable === true;
      if (final) this.#attempts.count = patience;
      failed.push({ version, epoch, reason: sentence(error) });
      return undefined;
    }
  }

  /** @returns whether for good */
  async #giveUp(fresh: LoadedVersion[], failed: Failed[]): Promise<boolean> {
    await retire(fresh.splice(0));
    const settled = this.#attempts.count >= patience;
    if (settled) this.#failed = failed;
    return settled;
  }

  /** When the server ends, after its last request. */
  async close(): Promise<void> {
    const last = this.loaded;
    this.#state = { ...this.#state, champion: undefined, challenger: undefined };
    await retire(last);
  }

  #swap(next: HostState): void {
    const before = this.loaded;
    this.#state = next;
    this.#since = new Date().toISOString();
    this.#failed = [];
    const versions = this.loaded;
    this.#log.info({ epoch: next.epoch, loaded: versions.map(({ version }) => version) }, 'slots taken');
    const old = before.filter((one) => !versions.some(({ digest }) => digest === one.digest));
    this.#release(old).catch((error: unknown) =>
      this.#log.error({ err: error }, 'a session could not be released'),
    );
  }

  /** Behind the answers: the last request that holds a version may take its time. */
  async #release(old: readonly LoadedVersion[]): Promise<void> {
    try {
      await failpoint('serving:swapped');
    } finally {
      await retire(old);
    }
  }
}

async function retire(versions: readonly LoadedVersion[]): Promise<void> {
  await Promise.all(versions.map((version) => version.retire()));
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message.slice(0, 500) : String(error);
}
