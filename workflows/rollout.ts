/**
 * A new version gets its traffic step by step: load on every replica → golden batch → shadow, shares or a trial
 * against the champion, each with a bake time → promote. Any bad signal takes it back.
 *
 * A saga: from the first shift on, whatever ends it early (bad signal, failure, cancellation, a person) gives the
 * challenger slot back. The ticket fences it: when somebody rolls back or a newer version asks, the entity refuses
 * the next shift and this rollout ends as superseded. Weeks of looks do not fit into one history: it goes on as new
 * between two looks, with its progress, and the slot stays its own.
 */
import {
  CancellationScope,
  ContinueAsNew,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activation } from '../contracts/model.ts';
import type {
  GuardResult,
  RolloutOutcome,
  RolloutPlan,
  RolloutProgress,
  Step,
} from '../contracts/rollout.ts';
import { guardText } from '../contracts/rollout.ts';
import { Bake } from './bake.ts';
import { rolloutQuery } from './messages.ts';
import { People } from './rollout-people.ts';
import { detailsOf, stepsOf, stepText, viewOf } from './rollout-view.ts';
import { ofModel, onReplicas, quick } from './stages.ts';

/** What ends a rollout early, as a value: `Refused` by the entity, `Unhealthy` in traffic, or wanted by somebody. */
export interface Stop {
  status: 'superseded' | 'rolled-back' | 'taken-back';
  reason: string;
  /** Who bars the version. */
  by?: string;
}

/** @param historyAtMost events after which it goes on as new; tests ask for less */
export async function rollout(plan: RolloutPlan, historyAtMost = 3_000): Promise<RolloutOutcome> {
  const { model, version } = plan;
  const progress = plan.progress ?? begun();
  const people = new People(progress);
  let doing = 'asks for its turn';
  let outcome: RolloutOutcome['status'] | null = null;
  const view = () => viewOf(plan, progress, doing, outcome);
  setHandler(rolloutQuery, view);
  const state = progress.paused ? 'paused' : 'running';
  upsertSearchAttributes({ EsteiraStage: ['deploy'], EsteiraState: [state], EsteiraVersion: [version] });

  const updateId = (step: string) => `${workflowInfo().workflowId}/${workflowInfo().runId}/${step}`;
  if (!plan.progress) {
    const asked = await ofModel.requestPromotion({
      ...{ model, version, lifecycleId: plan.lifecycleId, rollout: progress.run },
      updateId: updateId('request'),
    });
    if (!asked.accepted) return finish({ status: 'superseded', reason: asked.detail });
    Object.assign(progress, { ticket: asked.ticket, champion: asked.champion });
  }

  const shift = (change: Pick<Activation, 'to' | 'reason' | 'shadow'> & { share?: number }) => {
    const { ticket } = progress;
    const step = ++progress.shifts;
    return ofModel.shift.executeWithOptions({ summary: `${change.to} ${change.share ?? ''}`.trim() }, [
      { model, version, ticket, step, share: 0, ...change, updateId: updateId(`shift-${step}`) },
    ]);
  };
  const baking = new Bake(plan, progress, people, historyAtMost, show);

  try {
    const stopped = (await climb()) ?? (await called());
    if (stopped) {
      await shift({ to: 'none', reason: stopped.reason });
      if (stopped.status === 'rolled-back') await bar(stopped);
      return await finish(stopped);
    }
    const { promoted: wish } = people;
    const reason = wish ? `${wish.by} promoted it: ${wish.reason}` : 'every step was healthy';
    const promoted = await shift({ to: 'champion', reason });
    if (!promoted.accepted) return await finish({ status: 'superseded', reason: promoted.detail });
    await settled(promoted.epoch);
    return await finish({ status: 'promoted', epoch: promoted.epoch });
  } catch (error) {
    if (error instanceof ContinueAsNew) throw error; // it goes on, and keeps its slot
    people.closed = true;
    await CancellationScope.nonCancellable(() => shift({ to: 'none', reason: 'the rollout was cut short' }));
    throw error;
  }

  /** Loads everywhere, then step after step. @returns why it stopped, or undefined at the top. */
  async function climb(): Promise<Stop | undefined> {
    const stopped = progress.since ? undefined : await load();
    if (stopped || progress.champion === null) return stopped; // nobody to compare with: the first goes straight up
    const steps = stepsOf(plan);
    for (; progress.step < steps.length && !people.decided; progress.step++) {
      const stop = await take(steps[progress.step]!);
      if (stop) return stop;
      if (baking.winner === 'challenger') return undefined;
    }
    return undefined;
  }

  async function load(): Promise<Stop | undefined> {
    show('loads on every replica and repeats the golden batch');
    const loaded = await shift({ to: 'challenger', share: 0, reason: 'load and verify' });
    if (!loaded.accepted) return { status: 'superseded', reason: loaded.detail };
    const { ready, reason } = await settled(loaded.epoch);
    if (people.superseded !== undefined) return { status: 'superseded', reason: people.superseded };
    if (!ready) return { status: 'rolled-back', reason };
    progress.since = { epoch: loaded.epoch, at: new Date().toISOString() };
    return undefined;
  }

  /** One step: its traffic, then its bake; a step that was under way when the history was begun anew bakes on. */
  async function take(step: Step): Promise<Stop | undefined> {
    if (progress.epoch === null) {
      const { share, shadow } = step;
      const reason = `${step.mode} at ${step.mode === 'shadow' ? shadow : share}`;
      const moved = await shift({ to: 'challenger', share, reason, ...(shadow !== undefined && { shadow }) });
      if (!moved.accepted) return { status: 'superseded', reason: moved.detail };
      Object.assign(progress, { epoch: moved.epoch, leftMs: step.bakeMs, looks: 0 });
    }
    show(`serves ${stepText(step)}`);
    const stop = await baking.through(step);
    if (progress.last) progress.steps.push(progress.last);
    Object.assign(progress, { epoch: null, last: null });
    return stop;
  }

  /** What somebody has called for. @returns undefined when nobody stops it */
  async function called(): Promise<Stop | undefined> {
    const { aborted, superseded } = people;
    if (superseded !== undefined) return { status: 'superseded', reason: superseded };
    if (aborted) {
      const reason = `${aborted.by} aborted it: ${aborted.reason}`;
      return aborted.quarantine
        ? { status: 'rolled-back', reason, by: aborted.by }
        : { status: 'taken-back', reason };
    }
    if (!people.promoted || !progress.since) return undefined;
    const { ready, reason } = await settled(progress.since.epoch);
    return ready ? undefined : { status: 'rolled-back', reason };
  }

  function settled(epoch: number) {
    return onReplicas.settle.executeWithOptions({ summary: `every replica at epoch ${epoch}` }, [
      { model, version, epoch },
    ]);
  }

  async function bar({ reason, by = 'rollout' }: Stop): Promise<void> {
    const why = `${reason}${evidence(progress.steps.at(-1)?.guards)}`.slice(0, 2_000);
    await ofModel.quarantine({ model, version, by, reason: why, updateId: updateId('quarantine') });
  }

  function show(now: string): void {
    doing = now;
    setCurrentDetails(detailsOf(view()));
  }

  async function finish(
    ended: { status: 'promoted'; epoch: number } | Omit<Stop, 'by'>,
  ): Promise<RolloutOutcome> {
    people.closed = true;
    const { steps, acts, champion } = progress;
    const { status } = ended;
    const told = status === 'promoted' ? { status, epoch: ended.epoch } : { status, reason: ended.reason };
    const whole: RolloutOutcome = { ...told, steps, ...(acts.length > 0 && { acts }) };
    if (plan.traffic) {
      const { strategy } = plan.traffic;
      const about = { model, version, lifecycleId: plan.lifecycleId, strategy, champion };
      const record = { ...about, run: workflowInfo().runId, outcome: whole, at: new Date().toISOString() };
      // How it ends is decided: a cancellation comes too late.
      await CancellationScope.nonCancellable(() => quick.recordRollout(record));
    }
    outcome = status;
    upsertSearchAttributes({ EsteiraState: ['closed'], EsteiraOutcome: [status] });
    show(`**${status}** ${status === 'promoted' ? '' : ended.reason}`);
    return whole;
  }
}

function begun(): RolloutProgress {
  return {
    ...{ run: workflowInfo().runId, ticket: 1, champion: null, shifts: 0, since: null, step: 0, epoch: null },
    ...{ leftMs: 0, looks: 0, last: null, steps: [], acts: [], paused: false },
  };
}

/** What else was seen, for who reads later why a version is barred. */
function evidence(guards: readonly GuardResult[] = []): string {
  return guards.length > 0 ? `; seen: ${guards.map(guardText).join(', ')}` : '';
}
