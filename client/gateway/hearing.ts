/**
 * Batches on their way from the ledger to the drives, in order. One that was accepted before anybody could be asked who
 * listens waits here until it is known, and all that came after it waits, too: drives carry whatever lies between two batches.
 *
 * Who listens to such a batch is written down once, so that gateways which know different things tell the same models.
 */
import type { AcceptedEvent, Batch, GatewayEvent, Target } from '../../contracts/inbox.ts';
import { Heard } from '../../contracts/inbox.ts';
import { createJson, readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { heardKey } from './keys.ts';

/** A batch all of whose events are known to be for somebody, or for nobody. */
export type HeardBatch = Batch & { events: (AcceptedEvent & { to: Target[] })[] };

export interface HearingDeps {
  store: Store;
  /** Null while nobody can be asked. */
  listeners(event: GatewayEvent): Target[] | null;
  read(seq: number): Promise<Batch>;
  /** Told of each batch once, in order. */
  onBatch(batch: HeardBatch, ours: boolean): void;
  onError(error: unknown, what: string): void;
}

/** From `first` to before `next`: numbers only, for Temporal may be away for days. */
interface Held {
  first: number;
  next: number;
  events: number;
  since: string;
}

export class Hearing {
  readonly #deps: HearingDeps;
  #held: Held | undefined;
  #turn: Promise<void> = Promise.resolve();
  #failing = false;

  constructor(deps: HearingDeps) {
    this.#deps = deps;
  }

  /** What waits here, and since when. */
  get waiting(): { events: number; since: string | undefined } {
    return { events: this.#held?.events ?? 0, since: this.#held?.since };
  }

  /** @param next of the inbox. @returns the first batch that the drives were not told of */
  heardBefore(next: number): number {
    return this.#held?.first ?? next;
  }

  note(batch: Batch, ours: boolean): void {
    if (!this.#held && isHeard(batch)) return this.#deps.onBatch(batch, ours);
    const { events } = batch;
    this.#held ??= { first: batch.seq, next: batch.seq, events: 0, since: batch.at };
    this.#held.next = batch.seq + 1;
    this.#held.events += events.length;
    void this.hear();
  }

  /** To be called when more is known. What stands in its way is told once, and tried again at the next call. */
  hear(): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      try {
        while (await this.#release());
        this.#failing = false;
      } catch (error) {
        if (!this.#failing) this.#deps.onError(error, 'it is not known yet who listens to some events');
        this.#failing = true;
      }
    });
    return this.#turn;
  }

  /** @returns null while it is not known */
  async heardOf(seq: number, { caller, event: { source, id } }: AcceptedEvent): Promise<Target[] | null> {
    const heard = await readJson(this.#deps.store, heardKey(seq), Heard);
    if (!heard) return null;
    const { events } = await this.#deps.read(seq);
    const at = events.findIndex(
      (one) => one.caller === caller && one.event.source === source && one.event.id === id,
    );
    return heard.value.to[at] ?? null;
  }

  /** @returns false when nothing waits, or it is not known who listens */
  async #release(): Promise<boolean> {
    if (!this.#held) return false;
    const batch = await this.#deps.read(this.#held.first);
    const heard = isHeard(batch) ? batch : await this.#hear(batch);
    if (!heard) return false;
    const { first, next, events } = this.#held; // as it is now: more may have come meanwhile
    const left = { first: first + 1, next, events: events - batch.events.length, since: batch.at };
    this.#held = left.first < left.next ? left : undefined;
    this.#deps.onBatch(heard, true);
    return true;
  }

  async #hear(batch: Batch): Promise<HeardBatch | undefined> {
    const { store, listeners } = this.#deps;
    const key = heardKey(batch.seq);
    const to = batch.events.map((one) => one.to ?? listeners(one.event));
    if (isWhole(to))
      await createJson(store, key, { seq: batch.seq, at: new Date().toISOString(), to } satisfies Heard);
    const said = (await readJson(store, key, Heard))?.value.to;
    return said && { ...batch, events: batch.events.map((one, i) => ({ ...one, to: said[i]! })) };
  }
}

function isHeard(batch: Batch): batch is HeardBatch {
  return batch.events.every(({ to }) => to !== null);
}

const isWhole = (to: (Target[] | null)[]): to is Target[][] => to.every((one) => one !== null);
