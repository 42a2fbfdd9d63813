/**
 * Tells one model of the events it listens to, one trigger at a time: all that came while the last was on its way go with
 * the next. Which events a trigger carries is claimed in the store before it is sent, so that a gateway which is killed, or
 * another one, sends the very same again, and the model's entity counts it once.
 */
import type { Target } from '../../contracts/inbox.ts';
import { Drive, Driven } from '../../contracts/inbox.ts';
import { rootFailure } from '../../contracts/failures.ts';
import type { Trigger } from '../../contracts/lifecycle.ts';
import { LedgerEntry } from '../../contracts/model.ts';
import type { Disposition, TriggerRequest } from '../../contracts/model.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { createJson, readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import type { HeardBatch } from './hearing.ts';
import { driveKey, drivenKey } from './keys.ts';

export interface DriveDeps {
  store: Store;
  /** Asks the model's entity; the same id twice is one. */
  trigger(model: string, request: TriggerRequest): Promise<Disposition>;
}

/** Of one batch, what is for this target; of some, where very many wait. */
export interface Pending {
  /** The first batch, and the last. */
  first: number;
  seq: number;
  events: number;
  /** When the last of them happened; no later than it was accepted. */
  at: string;
  by: string;
  about: string;
}

/** More are counted together: Temporal may be away for days. */
const pendingAtMost = 1_000;

export class TargetDrives {
  readonly #deps: DriveDeps;
  readonly target: Target;
  readonly #model: string;
  readonly #kind: 'event' | 'code';
  /** Of the last drive that is known; -1 and 0 before the first. */
  #upTo = -1;
  #n = 0;
  #opened = false;
  #pending: Pending[] = [];

  constructor(deps: DriveDeps, target: Target) {
    this.#deps = deps;
    this.target = target;
    const [model, kind] = target.split('/');
    this.#model = model!;
    this.#kind = kind as 'event' | 'code';
  }

  get pending(): readonly Pending[] {
    return this.#pending;
  }

  note(pending: Pending): void {
    if (pending.seq <= this.#upTo) return;
    const last = this.#pending.at(-1);
    if (!last || this.#pending.length < pendingAtMost) return void this.#pending.push(pending);
    last.seq = pending.seq;
    last.events += pending.events;
    if (pending.at > last.at) last.at = pending.at;
  }

  /** Sends one trigger, if something waits. @throws whatever stood in its way; nothing is lost by that */
  async step(): Promise<void> {
    await this.#open();
    this.#forget();
    if (this.#pending.length === 0) return;
    const claim = this.#claim();
    await failpoint('gateway:claiming');
    const created = await createJson(this.#deps.store, driveKey(this.target, claim.n), claim);
    await failpoint('gateway:claimed');
    await this.#tell(created ? claim : (await this.#drive(claim.n))!);
  }

  /** The drive that carries the events of a batch; undefined while none does. Cost: the logarithm of all drives, in reads. */
  async covering(seq: number): Promise<Drive | undefined> {
    let [low, high] = [0, await this.#last(this.#n)];
    if (high === 0 || (await this.#drive(high))!.upTo < seq) return undefined;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if ((await this.#drive(middle))!.upTo < seq) low = middle;
      else high = middle;
    }
    return this.#drive(high);
  }

  /** What a predecessor has claimed and not brought to its end comes first. */
  async #open(): Promise<void> {
    if (this.#opened) return;
    const last = await this.#last(this.#n);
    const drive = last > 0 ? await this.#drive(last) : undefined;
    if (drive && !(await readJson(this.#deps.store, drivenKey(this.target, last), Driven)))
      await this.#tell(drive);
    else if (drive) this.#done(drive);
    this.#opened = true;
  }

  async #tell(drive: Drive): Promise<void> {
    const { store } = this.#deps;
    const disposition = await this.#dispositionOf(drive.trigger);
    await failpoint('gateway:triggered');
    const driven: Driven = { at: new Date().toISOString(), trigger: drive.trigger.id, disposition };
    await createJson(store, drivenKey(this.target, drive.n), driven);
    await failpoint('gateway:disposed');
    this.#done(drive);
  }

  /** The first answer: a trigger that is sent again is told that it is a duplicate. */
  async #dispositionOf(trigger: Trigger): Promise<Disposition> {
    const answered = await this.#deps.trigger(this.#model, { trigger }).catch(refusedForGood);
    if (answered.status !== 'duplicate') return answered;
    const key = `events/${this.#model}/${trigger.id}.json`;
    const filed = await readJson(this.#deps.store, key, LedgerEntry);
    if (!filed) throw new Error(`${trigger.id} was answered before, and ${key} does not say how yet`);
    return filed.value.disposition;
  }

  #claim(): Drive {
    const { seq: upTo } = this.#pending.at(-1)!;
    const events = this.#pending.reduce((sum, one) => sum + one.events, 0);
    const [first] = this.#pending;
    const n = this.#n + 1;
    const more = events > 1 ? ` (and ${events - 1} more)` : '';
    const at = this.#pending.reduce((last, one) => (one.at > last ? one.at : last), first!.at);
    const { by, about } = first!;
    const trigger = { id: `${this.#kind}/${n}`, kind: this.#kind, by, reason: `${about}${more}`, at };
    return { n, after: this.#upTo, upTo, events, model: this.#model, trigger };
  }

  #done({ n, upTo }: Drive): void {
    this.#n = n;
    this.#upTo = upTo;
    this.#forget();
  }

  #forget(): void {
    this.#pending = this.#pending.filter(({ seq }) => seq > this.#upTo);
  }

  async #drive(n: number): Promise<Drive | undefined> {
    return (await readJson(this.#deps.store, driveKey(this.target, n), Drive))?.value;
  }

  /** @param from a drive that exists, or 0. @returns the last; looks at the logarithm of those that follow */
  async #last(from: number): Promise<number> {
    const exists = async (n: number) => (await this.#deps.store.read(driveKey(this.target, n))) !== undefined;
    let low = from;
    let step = 1;
    for (; await exists(low + step); step *= 2) low += step;
    for (let high = low + step; high - low > 1;) {
      const middle = Math.floor((low + high) / 2);
      if (await exists(middle)) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** What no further try can change is an answer too. */
function refusedForGood(error: unknown): Disposition {
  const failure = rootFailure(error);
  if (!failure?.nonRetryable) throw error;
  return { status: 'ignored', why: `refused: ${failure.message}`.slice(0, 1_000) };
}

/** Of a batch, what each target is to be told. */
export function pendingOf(batch: HeardBatch): Map<Target, Pending> {
  const found = new Map<Target, Pending>();
  for (const { caller, event, to } of batch.events) {
    const { type, source, subject, time } = event;
    // A sender whose clock is ahead must not move the model's own time there.
    const at = time && Date.parse(time) < Date.parse(batch.at) ? new Date(time).toISOString() : batch.at;
    const about = `${type} of ${source}${subject === undefined ? '' : `, ${subject}`}`.slice(0, 1_500);
    for (const target of to) {
      const before = found.get(target);
      if (before) {
        before.events++;
        if (at > before.at) before.at = at;
      } else
        found.set(target, {
          first: batch.seq,
          seq: batch.seq,
          events: 1,
          at,
          by: caller.slice(0, 100),
          about,
        });
    }
  }
  return found;
}
