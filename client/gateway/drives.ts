/**
 * Every target's drives, and the sweeper: what has no disposition is driven again, whoever accepted it, until it has one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { EventDisposition, GatewayEvent, Target } from '../../contracts/inbox.ts';
import { Driven, Settled } from '../../contracts/inbox.ts';
import { unlessCode } from '../../infra/errno.ts';
import { readJson, swapJson } from '../../infra/store/json.ts';
import type { HeardBatch } from './hearing.ts';
import { drivenKey, settledKey } from './keys.ts';
import { pendingOf, TargetDrives } from './target-drives.ts';
import type { DriveDeps } from './target-drives.ts';

export interface DrivesDeps extends DriveDeps {
  onError(error: unknown, what: string): void;
  /** Between two triggers of one target: a flood becomes one trigger a pause. */
  pauseMs?: number;
  /** How long what another gateway accepted is left to it. */
  graceMs?: number;
}

/** After a failure; doubled at each further one. */
const retryMs = { first: 500, most: 30_000 };

export class Drives {
  readonly #deps: DrivesDeps;
  readonly #targets = new Map<Target, TargetDrives>();
  readonly #working = new Map<Target, Promise<void>>();
  readonly #stop = new AbortController();

  constructor(deps: DrivesDeps) {
    this.#deps = deps;
  }

  /** Ours is driven at once; what others have accepted meanwhile, when they should have. */
  note(batch: HeardBatch, ours: boolean): void {
    for (const [target, pending] of pendingOf(batch)) {
      const drives = this.#of(target);
      drives.note(pending);
      if (drives.pending.length > 0) this.#start(drives, ours ? 0 : (this.#deps.graceMs ?? 10_000));
    }
  }

  /** Batches that wait, and since when the oldest does. */
  get waiting(): { events: number; since: string | undefined } {
    const all = [...this.#targets.values()].flatMap(({ pending }) => pending);
    const events = all.reduce((sum, one) => sum + one.events, 0);
    const since = all.reduce<string | undefined>(
      (oldest, { at }) => (oldest === undefined || at < oldest ? at : oldest),
      undefined,
    );
    return { events, since };
  }

  /** @returns null while a model is still to be told */
  async dispositionOf(
    seq: number,
    { event, to }: { event: GatewayEvent; to: Target[] },
  ): Promise<EventDisposition | null> {
    if (to.length === 0)
      return { status: 'ignored', why: `no model listens to ${event.type} of ${event.source}` };
    const models: Extract<EventDisposition, { status: 'told' }>['models'] = [];
    for (const target of to) {
      const drive = await this.#of(target).covering(seq);
      const key = drive && drivenKey(target, drive.n);
      const driven = key && (await readJson(this.#deps.store, key, Driven));
      if (!driven) return null;
      const { trigger, disposition } = driven.value;
      models.push({ model: drive.model, trigger, disposition });
    }
    return { status: 'told', models };
  }

  /** Notes how far everything has its disposition, so that the next start looks no further back. @param next of the inbox */
  async settle(next: number): Promise<void> {
    const first = [...this.#targets.values()].flatMap(({ pending }) => pending.map((one) => one.first));
    const before = first.reduce((least, seq) => Math.min(least, seq), next);
    const { store } = this.#deps;
    const found = await readJson(store, settledKey, Settled);
    if (found && found.value.before >= before) return;
    await swapJson(store, settledKey, { before }, found?.etag); // another's may be newer: the next time
  }

  /** What is under way is left as it is: it can be taken up from wherever it is. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.race([Promise.all(this.#working.values()), sleep(2_000, undefined, { ref: false })]);
  }

  #of(target: Target): TargetDrives {
    let drives = this.#targets.get(target);
    if (!drives) this.#targets.set(target, (drives = new TargetDrives(this.#deps, target)));
    return drives;
  }

  #start(drives: TargetDrives, afterMs: number): void {
    if (this.#working.has(drives.target)) return;
    this.#working.set(
      drives.target,
      this.#work(drives, afterMs).finally(() => {
        this.#working.delete(drives.target);
        if (drives.pending.length > 0 && !this.#stop.signal.aborted) this.#start(drives, 0);
      }),
    );
  }

  async #work(drives: TargetDrives, afterMs: number): Promise<void> {
    let failures = 0;
    if (!(await this.#rest(afterMs))) return;
    while (drives.pending.length > 0) {
      try {
        await drives.step();
        failures = 0;
      } catch (error) {
        if (failures++ === 0)
          this.#deps.onError(error, `${drives.target} could not be told of its events yet`);
      }
      const failed = Math.min(retryMs.most, retryMs.first * 2 ** failures);
      if (!(await this.#rest(failures > 0 ? failed : (this.#deps.pauseMs ?? 1_000)))) return;
    }
  }

  /** @returns false when it is to stop */
  async #rest(ms: number): Promise<boolean> {
    const { signal } = this.#stop;
    await sleep(ms, undefined, { signal, ref: false }).catch(unlessCode('ABORT_ERR'));
    return !signal.aborted;
  }
}
