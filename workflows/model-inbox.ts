/**
 * The model entity's inbox: every accepted trigger gets exactly one disposition, and at most one
 * lifecycle is in flight. Part of the workflow `model`, which holds the mutex around each call.
 */
import { ParentClosePolicy, patched, sleep, startChild } from '@temporalio/workflow';
import type { LifecyclePlan } from '../contracts/lifecycle.ts';
import type { Disposition, ModelState, Settled, TriggerRequest } from '../contracts/model.ts';
import { isAlreadyStarted } from '../contracts/failures.ts';
import { catchUp, merged } from './catch-up.ts';
import { lifecycle } from './lifecycle.ts';
import { countFruits, hold, mustBeat, windowStart } from './retrain.ts';
import type { Held } from './retrain.ts';
import { quick } from './stages.ts';

export class Inbox {
  readonly #state: ModelState;
  /** Runs that ended while this run of the entity lived: one may end while it is being looked up. */
  readonly #over = new Set<string>();
  /** Runs whose end will be noticed. */
  readonly #watched = new Set<string>();

  constructor(state: ModelState) {
    this.#state = state;
  }

  /** Something waits, and nothing runs. */
  hasNext(): boolean {
    return this.#isReady() && this.waitsFor() === undefined;
  }

  /** How long what waits must wait, when nothing else is in its way; undefined: not at all, or for something else. */
  waitsFor(): number | undefined {
    const { waitUntil } = this.#state;
    const left = waitUntil === undefined ? 0 : Date.parse(waitUntil) - Date.now();
    return this.#isReady() && left > 0 ? left : undefined;
  }

  #isReady(): boolean {
    return this.#state.pending !== null && this.#state.inFlight === null && this.#state.setup !== null;
  }

  async accept(request: TriggerRequest): Promise<Disposition> {
    const { trigger, setup } = request;
    if (this.#state.seen.includes(trigger.id)) return { status: 'duplicate' };
    this.#state.seen.push(trigger.id);
    if (setup) this.#state.setup = setup;
    // 0.2.0: an entity that goes on as new forgets all but the newest triggers, and all that came after the point of a reset.
    if (patched('ledger-first')) {
      const filed = await quick.findDisposition({ model: this.#state.model, id: trigger.id });
      if (filed && this.#isBehind(filed)) await this.#recover(filed);
      if (filed) return { status: 'duplicate' };
    }
    const disposition = await this.#dispose(request);
    await quick.recordDisposition({ model: this.#state.model, request, disposition });
    return disposition;
  }

  settle({ lifecycleId, status }: Settled): { known: boolean } {
    this.#over.add(lifecycleId);
    const { inFlight } = this.#state;
    const known = inFlight?.lifecycleId === lifecycleId;
    if (known) {
      countFruits(this.#state, inFlight.trigger, status);
      this.#state.inFlight = null;
    }
    if (this.#state.rollout?.lifecycleId === lifecycleId) this.#state.rollout = null;
    return { known };
  }

  /** In flight, and started by another run of this entity, which alone would be told of its end. */
  unwatched(): boolean {
    const { inFlight } = this.#state;
    return inFlight !== null && !this.#watched.has(inFlight.lifecycleId);
  }

  async lookAfter(): Promise<void> {
    const { lifecycleId } = this.#state.inFlight ?? {};
    if (lifecycleId === undefined) return;
    this.#watched.add(lifecycleId);
    for (let pause = 10_000; this.#state.inFlight?.lifecycleId === lifecycleId;) {
      await sleep(pause, { summary: `does ${lifecycleId} still run?` });
      await this.#forgetLost();
      pause = Math.min(2 * pause, 300_000);
    }
  }

  /** Starts what waited while another ran. Its triggers were answered `merged` when they came. */
  async startNext(): Promise<void> {
    const next = this.#state.pending;
    if (!next || this.#state.inFlight) return;
    this.#forgetWaiting();
    await this.#start(next);
  }

  async #dispose(request: TriggerRequest): Promise<Disposition> {
    const { trigger } = request;
    const { setup } = this.#state;
    if (!setup) return { status: 'ignored', why: 'no project was ever run for this model' };
    const held: Held = trigger.kind === 'manual' ? {} : await hold(this.#state, setup, trigger);
    if ('answer' in held) return held.answer;
    await this.#forgetLost();
    // Whose run ended while this one was on its way goes first. 0.3.0: it was left waiting, behind a run that is over.
    if (this.hasNext() && patched('waiting-first')) await this.startNext();
    const { inFlight } = this.#state;
    if (inFlight) {
      this.#state.pending = merged(this.#state.pending, request);
      return { status: 'merged', behind: inFlight.lifecycleId };
    }
    if (held.notBefore) return this.#wait(request, held.notBefore);
    // What waits for its time has no reason to wait longer.
    const lifecycleId = await this.#start(this.#withWaiting(request));
    if (lifecycleId !== undefined) return { status: 'started', lifecycleId };
    // It may be the very one that this trigger started, before the reset; else it is somebody else's turn.
    const again = this.#state.inFlight;
    if (again?.trigger.id === trigger.id) return { status: 'started', lifecycleId: again.lifecycleId };
    const filed = await quick.findDisposition({ model: this.#state.model, id: trigger.id });
    return filed ?? this.#dispose(request);
  }

  /** The ledger knows of a lifecycle, or of one that is to come, and this entity does not: it was reset. */
  #isBehind(filed: Disposition): boolean {
    const { lifecycles, inFlight } = this.#state;
    const known =
      filed.status === 'started' ? filed.lifecycleId : filed.status === 'merged' ? filed.behind : undefined;
    if (known !== undefined && (numberOf(known) > lifecycles || inFlight === null)) return true;
    if (filed.status !== 'merged' && filed.status !== 'waiting') return false;
    const after = filed.status === 'merged' ? filed.behind : filed.after;
    // 0.5.0: what waited behind the run in flight was not found again.
    return (after === undefined ? 0 : numberOf(after)) >= lifecycles && patched('waits-again');
  }

  /** The first of those that wait says until when. */
  #wait(request: TriggerRequest, { until, why }: { until: string; why: string }): Disposition {
    const { pending, waitUntil, lifecycles, model } = this.#state;
    this.#state.pending = merged(pending, request);
    this.#state.waitUntil = pending && waitUntil !== undefined ? waitUntil : until;
    const after = lifecycles > 0 ? { after: `lifecycle/${model}/${lifecycles}` } : {};
    return { status: 'waiting', until: this.#state.waitUntil, why, ...after };
  }

  #withWaiting(request: TriggerRequest): TriggerRequest {
    const { pending, waitUntil } = this.#state;
    if (waitUntil === undefined) return request;
    this.#forgetWaiting();
    return merged(pending, request);
  }

  #forgetWaiting(): void {
    this.#state.pending = null;
    delete this.#state.waitUntil;
  }

  /** A lifecycle that was terminated could not say goodbye; ask before anything waits behind it. */
  async #forgetLost(): Promise<void> {
    const { inFlight } = this.#state;
    if (!inFlight || (await quick.isRunning(inFlight))) return;
    this.settle({ lifecycleId: inFlight.lifecycleId, status: 'lost' });
  }

  /** After a reset: what was done since the point it went back to. */
  async #recover(filed?: Disposition): Promise<void> {
    await catchUp(this.#state);
    if (this.#state.inFlight && this.#over.has(this.#state.inFlight.lifecycleId)) this.#state.inFlight = null;
    if (filed?.status === 'waiting' && this.#isReady()) this.#state.waitUntil ??= filed.until;
  }

  /** @returns undefined when the number was used in a past which a reset took away; the entity has caught up by then */
  async #start(request: TriggerRequest): Promise<string | undefined> {
    const plan = this.#plan(request);
    const { lifecycleId } = plan;
    this.#state.lifecycles++;
    this.#state.inFlight = { lifecycleId, trigger: request.trigger };
    this.#state.lookedUntil = request.trigger.at;
    this.#state.firstFrom ??= plan.window.from;
    this.#watched.add(lifecycleId);
    try {
      await this.#startChild(plan, request);
      return lifecycleId;
    } catch (error) {
      this.#state.inFlight = null;
      this.#watched.delete(lifecycleId);
      if (!isAlreadyStarted(error) || !patched('catch-up')) throw error;
      await this.#recover();
      return undefined;
    }
  }

  async #startChild(plan: LifecyclePlan, request: TriggerRequest): Promise<void> {
    const child = await startChild(lifecycle, {
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      workflowId: plan.lifecycleId,
      args: [plan],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      staticSummary: `${request.trigger.kind}: ${request.trigger.reason}`.slice(0, 200),
      staticDetails: detailsOf(plan),
      searchAttributes: {
        EsteiraModel: [plan.model],
        EsteiraTrigger: [request.trigger.kind],
      },
      memo: { trigger: request.trigger, project: plan.project },
    });
    // 0.2.0: one that is terminated cannot say goodbye itself. Of one that did, this is told second, and changes nothing.
    if (!patched('watch-child')) return;
    const ended = child.result().then(
      ({ status }) => status,
      () => 'over',
    );
    void ended.then((status) => this.settle({ lifecycleId: plan.lifecycleId, status }));
  }

  #plan({ trigger, drill, reuse }: TriggerRequest): LifecyclePlan {
    const setup = this.#state.setup!;
    const { model, policy } = setup;
    const champion = this.#state.slots?.champion;
    const owned = this.#state.versions.find(({ version }) => version === champion?.version);
    const auto = policy.policy === 'auto' || (policy.autoForRetrain && trigger.kind !== 'manual');
    const from = windowStart(trigger, setup, this.#state.firstFrom);
    return {
      lifecycleId: `lifecycle/${model}/${this.#state.lifecycles + 1}`,
      model,
      project: setup.project,
      window: { from, until: trigger.at },
      trigger,
      ...(owned && { champion: { version: owned.version, model: owned.onnx } }),
      approval: {
        policy,
        policyDigest: setup.policyDigest,
        auto: drill?.overrideGates ? policy.policy === 'auto' : auto,
        deadlineMs: setup.deadlineMs,
        ...(setup.reminderMs && { reminderMs: setup.reminderMs }),
      },
      bakes: setup.bakes,
      ...(setup.traffic && { traffic: setup.traffic }),
      monitorEveryMs: setup.monitorEveryMs,
      device: setup.device,
      ...(setup.training && { training: setup.training }),
      ...(setup.reuse && { reuse: reuse ?? setup.reuse }),
      ...(mustBeat(trigger, setup.retrain) && { mustBeat: true }),
      overrideGates: drill?.overrideGates ?? false,
      shuffleLabels: drill?.shuffleLabels ?? false,
    };
  }
}

/** `lifecycle/flights/3` → 3 */
function numberOf(lifecycleId: string): number {
  return Number(lifecycleId.split('/')[2]);
}

function detailsOf({ window, trigger, champion, project }: LifecyclePlan): string {
  return [
    `- asked by **${trigger.by}** (${trigger.kind}): ${trigger.reason}`,
    `- data from ${window.from} until ${window.until}`,
    `- to beat: ${champion ? `version ${champion.version}` : 'nobody yet'}`,
    `- project ${project.sha256.slice(0, 12)}`,
  ].join('\n');
}
