/**
 * Versions and slots of one model, as its entity holds them. Part of the workflow `model`, which
 * holds the mutex around each call. Every change of slots is epoch + 1, written by an activity that
 * checks approval, digests and epoch again where it takes effect.
 */
import { getExternalWorkflowHandle, log, patched } from '@temporalio/workflow';
import { failedWith, rootFailure } from '../contracts/failures.ts';
import type {
  Activation,
  ActivationAnswer,
  ModelState,
  PromotionAnswer,
  PromotionRequest,
  Quarantine,
  Refusal,
  Registration,
  Release,
  ReleaseAnswer,
  RollbackAnswer,
  RollbackRequest,
  VersionState,
} from '../contracts/model.ts';
import { rolloutWorkflowId } from '../contracts/search.ts';
import type { Slots } from '../contracts/serving.ts';
import { catchUp } from './catch-up.ts';
import { supersededSignal } from './messages.ts';
import { quick } from './stages.ts';

export class Slotting {
  readonly #state: ModelState;

  constructor(state: ModelState) {
    this.#state = state;
  }

  /** A number per model; the same lifecycle registers once, however often it asks. */
  async register(registration: Registration): Promise<{ version: number }> {
    const { lifecycleId, package: made, onnx, verdict } = registration;
    const known = this.#state.versions.find((one) => one.lifecycleId === lifecycleId);
    if (known) return { version: known.version };
    const version = this.#state.nextVersion;
    const registeredAt = new Date().toISOString();
    const { model } = this.#state;
    try {
      await quick.writeVersion({ model, version, package: made, lifecycleId, registeredAt, verdict });
    } catch (error) {
      if (!failedWith(error, 'StaleEpoch') || !patched('catch-up')) throw error;
      await catchUp(this.#state);
      return this.register(registration); // known by now, or the next number is free
    }
    this.#state.nextVersion++;
    this.#state.versions.push({ version, lifecycleId, package: made, onnx, quarantined: null });
    return { version };
  }

  /** The newest version wins: an older rollout under way is superseded, an older request refused. */
  async requestPromotion({ version, lifecycleId, rollout: run }: PromotionRequest): Promise<PromotionAnswer> {
    const unfit = this.#unfit(version);
    if (unfit) return unfit;
    const { rollout, slots } = this.#state;
    const newest = Math.max(rollout?.version ?? 0, slots?.champion?.version ?? 0);
    // 0.2.0: asked again by a run that was reset, the champion would have become its own challenger.
    if (!rollout && version === slots?.champion?.version && patched('champion-stays'))
      return refused('superseded', `version ${version} is the champion already`);
    if (version < newest) return refused('superseded', `version ${newest} is newer than ${version}`);
    if (rollout && rollout.version !== version) await this.#supersede(`version ${version} is newer`);
    const ticket = ++this.#state.tickets;
    this.#state.rollout = { ticket, version, lifecycleId, ...(run && { run }) };
    return { accepted: true, ticket, champion: slots?.champion?.version ?? null };
  }

  async activate({
    ticket,
    step,
    version,
    to,
    share,
    shadow,
    reason,
  }: Activation): Promise<ActivationAnswer> {
    const { rollout, slots, lastStep } = this.#state;
    if (step !== undefined && lastStep?.ticket === ticket && step <= lastStep.step) {
      // The answer was lost. A reset of a rollout that had gone on as new may ask for something else under that number.
      if (step === lastStep.step && (lastStep.to ?? to) === to)
        return { accepted: true, epoch: lastStep.epoch };
      return refused('superseded', `step ${step} comes late, after step ${lastStep.step}`);
    }
    if (rollout?.ticket !== ticket || rollout.version !== version) {
      return refused('superseded', `ticket ${ticket} of version ${version} is no longer valid`);
    }
    const unfit = to === 'none' ? undefined : this.#unfit(version);
    if (unfit) return unfit;
    if (to !== 'none' && slots?.champion?.version === version) {
      this.#state.rollout = null; // done already, in a past that a reset took away
      return { accepted: true, epoch: slots.epoch };
    }
    const champion = slots?.champion ?? null;
    const previous = slots?.previous ?? null;
    const change = {
      challenger: () => ({
        champion,
        previous,
        challenger: { ...this.#slotOf(version), share, ...(shadow !== undefined && { shadow }) },
      }),
      champion: () => ({ champion: this.#slotOf(version), previous: champion, challenger: null }),
      none: () => ({ champion, previous, challenger: null }),
    }[to]();
    if (to === 'none' && !this.#isChallenger(version)) {
      this.#state.rollout = null;
      return { accepted: true, epoch: slots?.epoch ?? 1 };
    }
    const by = rolloutWorkflowId(this.#state.model, version);
    const written = await this.#write({ ...change, reason, by, rollout: rollout.run ?? by });
    if (written.accepted && to !== 'challenger') this.#state.rollout = null;
    if (written.accepted && step !== undefined)
      this.#state.lastStep = { ticket, step, epoch: written.epoch, to };
    return written;
  }

  #isChallenger(version: number): boolean {
    const { challenger } = this.#state.slots ?? {};
    // 0.3.0: a rollout that gave up, heard once more after a reset, took the slot from its successor.
    if (challenger && challenger.version !== version) return !patched('own-challenger');
    return challenger != null;
  }

  /** A challenger whose rollout was terminated, and so could not take it back. */
  hasOrphan(): boolean {
    return this.#state.slots?.challenger != null && this.#state.rollout === null;
  }

  async dropOrphan(): Promise<void> {
    const { slots } = this.#state;
    if (!slots || !this.hasOrphan()) return;
    const { champion, previous } = slots;
    const reason = `the rollout of version ${slots.challenger!.version} ended without a word`;
    await this.#write({ champion, previous, challenger: null, reason, by: 'esteira' });
  }

  /** Takes epoch + 1 at once; a rollout under way loses its ticket, and its version the challenger slot. */
  async rollback({ by, reason }: RollbackRequest): Promise<RollbackAnswer> {
    const { slots, rollout } = this.#state;
    const target = slots?.challenger ? slots.champion : slots?.previous;
    if (!slots || !target) return refused('no-previous', 'there is no earlier good version to go back to');
    const unfit = this.#unfit(target.version);
    if (unfit) return unfit;
    if (rollout) await this.#supersede(`${by} rolled back: ${reason}`);
    this.#state.rollout = null;
    const leaving = slots.challenger ?? slots.champion;
    const previous = slots.challenger ? slots.previous : null;
    const written = await this.#write({ champion: target, challenger: null, previous, reason, by });
    // Whoever asks for it means what serves now, not what this entity last knew: once more, if it has caught up.
    if (!written.accepted) return this.#state.slots === slots ? written : this.rollback({ by, reason });
    if (leaving) await this.#bar({ version: leaving.version, by, reason: `rolled back: ${reason}` });
    return { accepted: true, epoch: written.epoch, version: target.version };
  }

  async quarantine(order: Quarantine): Promise<{ accepted: boolean }> {
    return { accepted: await this.#bar(order) };
  }

  /** The version may be rolled out again, on a new approval: the one that it had is spent. */
  async release(order: Release): Promise<ReleaseAnswer> {
    const { version } = order;
    const known = this.#find(version);
    if (!known) return refused('unknown-version', `${this.#state.model} has no version ${version}`);
    if (known.quarantined === null)
      return refused('not-quarantined', `version ${version} is not quarantined`);
    const { barred } = await quick.writeRelease({ model: this.#state.model, ...order });
    known.quarantined = barred;
    if (barred === null) return { accepted: true, version };
    return refused(
      'quarantined',
      `these words lifted an earlier quarantine; version ${version} is barred: ${barred}`,
    );
  }

  async #write(change: Omit<Slots, 'model' | 'epoch' | 'at'>): Promise<ActivationAnswer> {
    const epoch = (this.#state.slots?.epoch ?? 0) + 1;
    const next: Slots = { model: this.#state.model, epoch, at: new Date().toISOString(), ...change };
    try {
      await quick.writeSlots(next);
    } catch (error) {
      if (failedWith(error, 'NotApproved'))
        return refused(
          'not-approved',
          rootFailure(error)?.message ?? 'no valid approval covers this package',
        );
      if (!failedWith(error, 'StaleEpoch') || !patched('catch-up')) throw error;
      await catchUp(this.#state);
      return refused('superseded', `the slots are at epoch ${this.#state.slots?.epoch} by now`);
    }
    this.#state.slots = next;
    return { accepted: true, epoch };
  }

  /** Tells the older rollout at once, so that it need not bake to the end to find out. */
  async #supersede(why: string): Promise<void> {
    const { rollout, model } = this.#state;
    if (!rollout) return;
    try {
      await getExternalWorkflowHandle(rolloutWorkflowId(model, rollout.version)).signal(
        supersededSignal,
        why,
      );
    } catch (error) {
      // It has ended meanwhile: then its void ticket has nobody left to stop.
      log.info('the older rollout was gone already', {
        model,
        version: rollout.version,
        error: String(error),
      });
    }
  }

  #unfit(version: number): Refusal | undefined {
    const known = this.#find(version);
    if (!known) return refused('unknown-version', `${this.#state.model} has no version ${version}`);
    return known.quarantined === null
      ? undefined
      : refused('quarantined', `version ${version} is quarantined: ${known.quarantined}`);
  }

  async #bar(order: Quarantine): Promise<boolean> {
    const known = this.#find(order.version);
    if (!known) return false;
    if (known.quarantined !== null) return true; // the first reason stands
    known.quarantined = order.reason;
    await quick.writeQuarantine({ model: this.#state.model, ...order });
    return true;
  }

  #slotOf(version: number): { version: number; package: VersionState['package'] } {
    return { version, package: this.#find(version)!.package };
  }

  #find(version: number): VersionState | undefined {
    return this.#state.versions.find((one) => one.version === version);
  }
}

function refused(code: Refusal['code'], detail: string): Refusal {
  return { accepted: false, code, detail };
}
