/**
 * A new version gets its traffic step by step: load on every replica → golden batch → canary shares
 * with a bake time each → promote. Any bad signal takes it back.
 *
 * A saga: from the first shift on, whatever ends it early (bad signal, failure, cancellation) gives
 * the challenger slot back. The ticket fences it: when somebody rolls back or a newer version asks,
 * the entity refuses the next shift and this rollout ends as superseded.
 */
import {
  CancellationScope,
  condition,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activation } from '../contracts/model.ts';
import type { Observation, RolloutOutcome, RolloutPlan } from '../contracts/rollout.ts';
import { supersededSignal } from './messages.ts';
import { onReplicas, quick } from './stages.ts';

/** Looks per bake, so that a bad version is stopped in a quarter of the time it could last. */
const looksPerBake = 4;

/** What stops a rollout early, as a value: `Refused` by the entity, or `Unhealthy` in traffic. */
type Stop = { status: 'superseded' | 'rolled-back'; reason: string };

export async function rollout(plan: RolloutPlan): Promise<RolloutOutcome> {
  const { model, version } = plan;
  const steps: Observation[] = [];
  let superseded: string | undefined;
  setHandler(supersededSignal, (reason) => void (superseded = String(reason).slice(0, 500)));
  upsertSearchAttributes({ EsteiraStage: ['deploy'], EsteiraState: ['running'], EsteiraVersion: [version] });

  const updateId = (step: string) => `${workflowInfo().workflowId}/${workflowInfo().runId}/${step}`;
  const asked = await quick.requestPromotion({
    model,
    version,
    lifecycleId: plan.lifecycleId,
    rollout: workflowInfo().runId,
    updateId: updateId('request'),
  });
  if (!asked.accepted) return finish({ status: 'superseded', reason: asked.detail, steps });
  const { ticket, champion } = asked;

  let shifts = 0;
  const shift = (change: Pick<Activation, 'to' | 'reason'> & { share?: number }) =>
    quick.shift.executeWithOptions({ summary: `${change.to} ${change.share ?? ''}`.trim() }, [
      { model, version, ticket, step: ++shifts, share: 0, ...change, updateId: updateId(`shift-${shifts}`) },
    ]);

  try {
    const stopped = await climb();
    if (stopped) {
      await shift({ to: 'none', reason: stopped.reason });
      if (stopped.status === 'rolled-back') {
        const reason = stopped.reason;
        await quick.quarantine({ model, version, by: 'rollout', reason, updateId: updateId('quarantine') });
      }
      return finish({ ...stopped, steps });
    }
    const promoted = await shift({ to: 'champion', reason: 'every step was healthy' });
    if (!promoted.accepted) return finish({ status: 'superseded', reason: promoted.detail, steps });
    await settled(promoted.epoch);
    return finish({ status: 'promoted', epoch: promoted.epoch, steps });
  } catch (error) {
    await CancellationScope.nonCancellable(() => shift({ to: 'none', reason: 'the rollout was cut short' }));
    throw error;
  }

  /** Loads everywhere, then step after step. @returns why it stopped, or undefined at the top. */
  async function climb(): Promise<Stop | undefined> {
    show('loads on every replica and repeats the golden batch');
    const loaded = await shift({ to: 'challenger', share: 0, reason: 'load and verify' });
    if (!loaded.accepted) return { status: 'superseded', reason: loaded.detail };
    const { ready, reason } = await settled(loaded.epoch);
    if (superseded !== undefined) return { status: 'superseded', reason: superseded };
    if (!ready) return { status: 'rolled-back', reason };
    if (champion === null) return undefined; // nobody to compare with: the first version goes straight up

    for (const { share, bakeMs } of plan.bakes) {
      const moved = await shift({ to: 'challenger', share, reason: `canary at ${share}` });
      if (!moved.accepted) return { status: 'superseded', reason: moved.detail };
      show(`serves ${Math.round(share * 100)} % of the traffic`);
      const stop = await bake(share, bakeMs, moved.epoch);
      if (stop) return stop;
    }
    return undefined;
  }

  function settled(epoch: number) {
    return onReplicas.settle.executeWithOptions({ summary: `every replica at epoch ${epoch}` }, [
      { model, version, epoch },
    ]);
  }

  async function bake(share: number, bakeMs: number, epoch: number): Promise<Stop | undefined> {
    for (let look = 1; look <= looksPerBake; look++) {
      const summary = `bake ${look}/${looksPerBake} at ${share}`;
      await condition(() => superseded !== undefined, Math.max(1, bakeMs / looksPerBake), { summary });
      if (superseded !== undefined) return { status: 'superseded', reason: superseded };
      const { project } = plan;
      const seen = await onReplicas.observe.executeWithOptions({ summary: `look ${look} at ${share}` }, [
        { project, model, version, champion, epoch, share },
      ]);
      if (look === looksPerBake || !seen.healthy) steps.push(seen);
      if (!seen.healthy) return { status: 'rolled-back', reason: seen.reason };
    }
    return undefined;
  }

  function show(doing: string): void {
    const seen = steps.map((one) => `- ${Math.round(one.share * 100)} %: ${one.reason}`);
    setCurrentDetails([`### ${model} version ${version}`, doing, ...seen].join('\n'));
  }

  function finish(outcome: RolloutOutcome): RolloutOutcome {
    upsertSearchAttributes({ EsteiraState: ['closed'], EsteiraOutcome: [outcome.status] });
    show(`**${outcome.status}** ${outcome.status === 'promoted' ? '' : outcome.reason}`);
    return outcome;
  }
}
