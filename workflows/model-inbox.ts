/**
 * The model entity's inbox: every accepted trigger gets exactly one disposition, and at most one
 * lifecycle is in flight. Part of the workflow `model`, which holds the mutex around each call.
 */
import { ParentClosePolicy, patched, sleep, startChild } from '@temporalio/workflow';
import type { LifecyclePlan, Trigger } from '../contracts/lifecycle.ts';
import type { Disposition, ModelState, ProjectSetup, Settled, TriggerRequest } from '../contracts/model.ts';
import { isAlreadyStarted } from '../contracts/failures.ts';
import { catchUp } from './catch-up.ts';
import { lifecycle } from './lifecycle.ts';
import { quick } from './stages.ts';

export class Inbox {
  readonly #state: ModelState;
  /** Runs that ended while this run of the entity lived: one may end while it is being looked up. */
  readonly #over = new Set<string>();

  constructor(state: ModelState) {
    this.#state = state;
  }

  /** Something waits, and nothing runs. */
  hasNext(): boolean {
    return this.#state.pending !== null && this.#state.inFlight === null;
  }

  async accept(request: TriggerRequest): Promise<Disposition> {
    const { trigger, setup } = request;
    if (this.#state.seen.includes(trigger.id)) return { status: 'duplicate' };
    this.#state.seen.push(trigger.id);
    if (setup) this.#state.setup = setup;
    // 0.2.0: an entity forgets after a thousand triggers, and all that came after the point of a reset.
    if (patched('ledger-first')) {
      const filed = await quick.findDisposition({ model: this.#state.model, id: trigger.id });
      if (filed) await this.#recover(request, filed);
      if (filed) return { status: 'duplicate' };
    }
    const disposition = await this.#dispose(request);
    await quick.recordDisposition({ model: this.#state.model, request, disposition });
    return disposition;
  }

  settle({ lifecycleId }: Settled): void {
    this.#over.add(lifecycleId);
    if (this.#state.inFlight?.lifecycleId === lifecycleId) this.#state.inFlight = null;
    if (this.#state.rollout?.lifecycleId === lifecycleId) this.#state.rollout = null;
  }

  /** To be called when the entity goes on as new: the end of a run that another run of the entity started is not told. */
  async lookAfter(): Promise<void> {
    const lifecycleId = this.#state.inFlight?.lifecycleId;
    for (let pause = 10_000; lifecycleId && this.#state.inFlight?.lifecycleId === lifecycleId;) {
      await sleep(pause, { summary: `does ${lifecycleId} still run?` });
      await this.#forgetLost();
      pause = Math.min(2 * pause, 300_000);
    }
  }

  /** Starts what waited while another ran. Its triggers were answered `merged` when they came. */
  async startNext(): Promise<void> {
    const next = this.#state.pending;
    if (!next || this.#state.inFlight) return;
    this.#state.pending = null;
    await this.#start(next);
  }

  async #dispose(request: TriggerRequest): Promise<Disposition> {
    const { trigger } = request;
    if (!this.#state.setup) return { status: 'ignored', why: 'no project was ever run for this model' };
    const cooling = trigger.kind === 'manual' ? undefined : this.#cooldown(trigger, this.#state.setup);
    if (cooling) return { status: 'ignored', why: cooling };
    await this.#forgetLost();
    const { inFlight } = this.#state;
    if (inFlight) {
      this.#state.pending = merged(this.#state.pending, request);
      return { status: 'merged', behind: inFlight.lifecycleId };
    }
    return { status: 'started', lifecycleId: await this.#start(request) };
  }

  /** Cooldown counts in event time, so that a replay of the past behaves as the past would have. */
  #cooldown({ at }: Trigger, { cooldownMs }: ProjectSetup): string | undefined {
    const since = this.#state.lookedUntil;
    if (since === null || Date.parse(at) - Date.parse(since) >= cooldownMs) return undefined;
    return `cooldown until ${new Date(Date.parse(since) + cooldownMs).toISOString()}`;
  }

  /** A lifecycle that was terminated could not say goodbye; ask before anything waits behind it. */
  async #forgetLost(): Promise<void> {
    const { inFlight } = this.#state;
    if (!inFlight || (await quick.isRunning(inFlight))) return;
    this.settle({ lifecycleId: inFlight.lifecycleId, status: 'lost' });
  }

  /** The trigger was answered in a past that a reset took away: what came of it is found again. */
  async #recover(request: TriggerRequest, filed: Disposition): Promise<void> {
    await catchUp(this.#state);
    if (filed.status === 'started') {
      const { lifecycleId } = filed;
      this.#state.lifecycles = Math.max(this.#state.lifecycles, numberOf(lifecycleId));
      if (!this.#state.inFlight && (await quick.isRunning({ lifecycleId })))
        this.#follow(lifecycleId, request.trigger);
    }
    if (filed.status !== 'merged' || numberOf(filed.behind) < this.#state.lifecycles) return;
    if (this.#state.setup) this.#state.pending = merged(this.#state.pending, request);
  }

  /** The very lifecycle of this trigger, that the entity started before it was reset: it is ours, and not another's. */
  async #adopted({ lifecycleId, trigger }: LifecyclePlan): Promise<boolean> {
    const found = await quick.findLifecycle({ lifecycleId });
    if (found?.triggerId !== trigger.id) return false;
    if (found.running) this.#follow(lifecycleId, trigger);
    return true;
  }

  /** One that another run of the entity started. */
  #follow(lifecycleId: string, trigger: Trigger): void {
    if (this.#over.has(lifecycleId)) return;
    this.#state.inFlight = { lifecycleId, trigger };
    void this.lookAfter();
  }

  /** A number that was used in a past which a reset took away is passed over. */
  async #start(request: TriggerRequest): Promise<string> {
    for (;;) {
      const plan = this.#plan(request);
      this.#state.lifecycles++;
      this.#state.inFlight = { lifecycleId: plan.lifecycleId, trigger: request.trigger };
      this.#state.lookedUntil = request.trigger.at;
      try {
        await this.#startChild(plan, request);
        return plan.lifecycleId;
      } catch (error) {
        this.#state.inFlight = null;
        if (!isAlreadyStarted(error) || !patched('catch-up')) throw error;
        if (await this.#adopted(plan)) return plan.lifecycleId;
        await catchUp(this.#state);
      }
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
      memo: { trigger: request.trigger },
    });
    // 0.2.0: one that is terminated cannot say goodbye itself. Of one that did, this is told second, and changes nothing.
    if (!patched('watch-child')) return;
    const ended = child.result().catch(() => undefined);
    void ended.then(() => this.settle({ lifecycleId: plan.lifecycleId, status: 'over' }));
  }

  #plan({ trigger, drill }: TriggerRequest): LifecyclePlan {
    const setup = this.#state.setup!;
    const { model, policy } = setup;
    const champion = this.#state.slots?.champion;
    const owned = this.#state.versions.find(({ version }) => version === champion?.version);
    const auto = policy.policy === 'auto' || (policy.autoForRetrain && trigger.kind !== 'manual');
    const from = new Date(Date.parse(trigger.at) - setup.windowMs).toISOString();
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
      monitorEveryMs: setup.monitorEveryMs,
      device: setup.device,
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

/** Triggers that wait become one: the newest window, a person's wish before a machine's, all reasons. */
function merged(waiting: TriggerRequest | null, request: TriggerRequest): TriggerRequest {
  if (!waiting) return request;
  const latest = waiting.trigger.at > request.trigger.at ? waiting.trigger.at : request.trigger.at;
  const lead = waiting.trigger.kind === 'manual' ? waiting : request;
  const reason = `${waiting.trigger.reason}; ${request.trigger.reason}`.slice(0, 2_000);
  return { ...lead, trigger: { ...lead.trigger, at: latest, reason } };
}
