/**
 * The ledger of events, for any number of gateways on one store.
 *
 * It is a chain of batches. A gateway creates the next only after it has read all before, and only if nobody has: so an
 * event's name is looked up among all that were ever accepted, by whomever, and is accepted once. What comes while a batch
 * is on its way to the store shares the next one; one wait for the disk does for all of them.
 */
import type { AcceptedEvent, GatewayEvent, Target } from '../../contracts/inbox.ts';
import { Batch } from '../../contracts/inbox.ts';
import { sha256 } from '../../infra/digest.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { Refusal } from '../../infra/refusal.ts';
import { canonicalJson, readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { BatchMemory } from './batch-memory.ts';
import { Fingerprints } from './fingerprints.ts';
import { batchKey } from './keys.ts';
import { Segments } from './segments.ts';

export interface Receipt {
  status: 'accepted' | 'duplicate';
  seq: number;
  entry: AcceptedEvent;
}

export interface InboxDeps {
  store: Store;
  /** This process. */
  by: string;
  /** Null while nobody can be asked. */
  listeners(event: GatewayEvent): Target[] | null;
  /** Told of each batch once, in order. @param ours written here, or found at the start; others' may be at work on the rest */
  onBatch(batch: Batch, ours: boolean): void;
  onError(error: unknown, what: string): void;
}

interface Waiting {
  name: string;
  caller: string;
  event: GatewayEvent;
  digest: string;
  /** Of the event, canonical. */
  text: string;
  resolve(receipt: Receipt): void;
  reject(error: unknown): void;
}

/** More is data, and belongs in the store; an event says where it lies. */
const eventAtMost = 262_144;
const batchAtMost = { events: 1_000, bytes: 4_000_000 };
/** Of events that wait to be written: more would be memory that nobody bounds. */
const waitingBytesAtMost = 64_000_000;
/** Batches that are read at once when a gateway starts. */
const readAhead = 16;

export class Inbox {
  readonly #deps: InboxDeps;
  readonly #names = new Fingerprints();
  readonly #segments: Segments;
  readonly #recent = new BatchMemory();
  #next = 0;
  #group: Waiting[] = [];
  #bytes = 0;
  /** Whoever appends or reads on does it alone. */
  #turn: Promise<unknown> = Promise.resolve();
  #writing = false;

  private constructor(deps: InboxDeps) {
    this.#deps = deps;
    this.#segments = new Segments(deps.store, this.#names);
  }

  /** @param from `onBatch` is told of all from here on */
  static async open(deps: InboxDeps, from: number): Promise<Inbox> {
    const inbox = new Inbox(deps);
    inbox.#next = await inbox.#segments.load();
    for (let seq = from; seq < inbox.#next; seq += readAhead)
      for (const batch of await inbox.#readMany(seq, Math.min(seq + readAhead, inbox.#next)))
        if (batch) deps.onBatch(batch, true);
    for (let more = true; more;) {
      for (const batch of await inbox.#readMany(inbox.#next, inbox.#next + readAhead)) {
        if (!batch) more = false;
        else if (more) inbox.#adopt(batch, true, batch.seq >= from);
      }
    }
    return inbox;
  }

  /** How many batches there are, as far as this gateway has read. */
  get next(): number {
    return this.#next;
  }

  get events(): number {
    return this.#names.size;
  }

  get waiting(): number {
    return this.#group.length;
  }

  /**
   * Resolves when the event is durably in the ledger.
   * @throws Refusal 409 where its name was given to another event, 413, 503 when the store does not take it, 429 at too many
   */
  accept(caller: string, event: GatewayEvent): Promise<Receipt> {
    const text = canonicalJson(event);
    if (text.length > eventAtMost)
      return Promise.reject(
        new Refusal(413, `the event has ${text.length} characters; at most ${eventAtMost} are kept`),
      );
    if (this.#bytes + text.length > waitingBytesAtMost)
      return Promise.reject(new Refusal(429, 'too many events wait to be written', 1));
    return new Promise((resolve, reject) => {
      this.#bytes += text.length;
      const name = nameOf(caller, event);
      const digest = sha256(text);
      this.#group.push({ name, caller, event, digest, text, resolve, reject });
      if (this.#writing) return;
      this.#writing = true;
      void this.#alone(() => this.#write());
    });
  }

  /** Reads what others have written since. */
  catchUp(): Promise<void> {
    return this.#alone(async () => {
      while (await this.#readNext());
    });
  }

  /** @returns undefined when no such event was accepted */
  async find(caller: string, source: string, id: string): Promise<Receipt | undefined> {
    await this.catchUp();
    return this.#known(caller, source, id, nameOf(caller, { source, id }));
  }

  /** Waits for what is being written. */
  close(): Promise<void> {
    return this.#alone(() => Promise.resolve());
  }

  #alone<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(act, act);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** One turn of the event loop gathers what has come already. */
  async #write(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#group.length > 0) {
      const taken = this.#take();
      try {
        await this.#append(taken);
      } catch (error) {
        this.#deps.onError(error, 'events could not be written');
        for (const one of taken) one.reject(new Refusal(503, 'the store does not take events now', 1));
      }
    }
    this.#writing = false;
  }

  #take(): Waiting[] {
    let [count, bytes] = [0, 0];
    for (const one of this.#group) {
      if (count === batchAtMost.events || (count > 0 && bytes + one.text.length > batchAtMost.bytes)) break;
      count++;
      bytes += one.text.length;
    }
    this.#bytes -= bytes;
    return this.#group.splice(0, count);
  }

  /** Settles each, or throws: then none of those that are left was acknowledged. */
  async #append(taken: readonly Waiting[]): Promise<void> {
    for (let left = taken; left.length > 0;) {
      const fresh = await this.#fresh(left);
      const [firsts, twins] = apart(fresh);
      if (firsts.length === 0) return;
      const { store, by, listeners } = this.#deps;
      const events = firsts.map(({ caller, event, digest }) => ({
        caller,
        event,
        digest,
        to: listeners(event),
      }));
      const batch = { seq: this.#next, by, at: new Date().toISOString(), events };
      await failpoint('gateway:accepting');
      const text = textOf(batch, firsts);
      if (await store.create(batchKey(batch.seq), text, 'application/json')) {
        await failpoint('gateway:accepted');
        this.#recent.put(batch, text.length);
        this.#adopt(batch, true);
        firsts.forEach((one, i) => one.resolve({ status: 'accepted', seq: batch.seq, entry: events[i]! }));
        left = twins; // known by now
      } else {
        // Another gateway's, or ours of a try whose answer was lost: what is in it counts as duplicates.
        if (!(await this.#readNext())) throw new Error(`${batchKey(batch.seq)} exists and cannot be read`);
        left = fresh;
      }
    }
  }

  /** Answers those that are known. @returns the others */
  async #fresh(waiting: readonly Waiting[]): Promise<Waiting[]> {
    const fresh: Waiting[] = [];
    for (const one of waiting) {
      const { caller, event, name, digest } = one;
      const known = await this.#known(caller, event.source, event.id, name);
      if (!known) fresh.push(one);
      else if (known.entry.digest === digest) one.resolve(known);
      else one.reject(new Refusal(409, `the id "${event.id}" of ${event.source} was given to another event`));
    }
    return fresh;
  }

  async #known(caller: string, source: string, id: string, name: string): Promise<Receipt | undefined> {
    for (const seq of this.#names.find(name)) {
      const { events } = this.#recent.get(seq) ?? (await this.#read(seq))!;
      const entry = events.find(
        (one) => one.caller === caller && one.event.source === source && one.event.id === id,
      );
      if (entry) return { status: 'duplicate', seq, entry };
    }
    return undefined;
  }

  async #readNext(): Promise<boolean> {
    const batch = await this.#read(this.#next);
    if (batch) this.#adopt(batch, false);
    return batch !== undefined;
  }

  async #read(seq: number): Promise<Batch | undefined> {
    const found = await readJson(this.#deps.store, batchKey(seq), Batch);
    if (found) this.#recent.put(found.value, found.bytes);
    return found?.value;
  }

  #readMany(from: number, until: number): Promise<(Batch | undefined)[]> {
    return Promise.all(Array.from({ length: until - from }, (_, i) => this.#read(from + i)));
  }

  #adopt(batch: Batch, ours: boolean, tell = true): void {
    this.#next = batch.seq + 1;
    const names = batch.events.map(({ caller, event }) => nameOf(caller, event));
    // Without it the next start reads some more, and writes it.
    this.#segments
      .add(batch, names)
      .catch((error: unknown) => this.#deps.onError(error, 'the index could not be written'));
    if (tell) this.#deps.onBatch(batch, ours);
  }
}

/** Canonical, made of the events' own texts: writing them down a second time would cost as much as all the rest. */
function textOf({ seq, by, at, events }: Batch, from: readonly Waiting[]): string {
  const entries = events.map(
    ({ caller, digest, to }, i) =>
      `{"caller":${JSON.stringify(caller)},"digest":"${digest}","event":${from[i]!.text.trimEnd()},"to":${JSON.stringify(to)}}`,
  );
  return `{"at":"${at}","by":${JSON.stringify(by)},"events":[${entries.join(',')}],"seq":${seq}}\n`;
}

function nameOf(caller: string, { source, id }: { source: string; id: string }): string {
  return sha256(JSON.stringify([caller, source, id]));
}

/** Of several with one name in a group, the first goes ahead. */
function apart(waiting: readonly Waiting[]): [firsts: Waiting[], twins: Waiting[]] {
  const met = new Set<string>();
  const firsts: Waiting[] = [];
  const twins: Waiting[] = [];
  for (const one of waiting) {
    (met.has(one.name) ? twins : firsts).push(one);
    met.add(one.name);
  }
  return [firsts, twins];
}
