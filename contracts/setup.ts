/** What a model entity needs of a pinned project. */
import type { Artifact } from './artifact.ts';
import type { ProjectSetup } from './model.ts';
import { durationMs } from './artifact.ts';
import type { PinnedProject } from './project.ts';
import { weekdays } from './retrain-settings.ts';
import type { Retrain } from './retrain-settings.ts';
import type { RetrainPolicy } from './retrain.ts';
import { trafficOf } from './strategy.ts';
import { trialsOf } from './training.ts';

/** Long enough for anybody; only `auto` policies, which wait for nobody, get it. */
const noDeadlineMs = 7 * 86_400_000;

/** @param artifact the pinned project itself, in the store */
export function setupOf(
  artifact: Artifact,
  { project, policyDigest, imported }: PinnedProject,
): ProjectSetup {
  const { approval, search, trainer } = project;
  const asks = approval.policy === 'people' ? approval : undefined;
  return {
    model: project.model,
    project: artifact,
    windowMs: durationMs(project.window),
    cooldownMs: durationMs(project.retrain.cooldown),
    monitorEveryMs: durationMs(project.monitor.every),
    bakes: project.rollout.steps.map(({ share, bake }) => ({ share, bakeMs: durationMs(bake) })),
    traffic: trafficOf(project.rollout),
    policy: approval,
    policyDigest,
    deadlineMs: asks ? durationMs(asks.deadline) : noDeadlineMs,
    ...(asks?.reminder && { reminderMs: durationMs(asks.reminder) }),
    device: imported ? 'cpu' : trainer.device,
    reuse: { off: !project.reuse },
    retrain: policyOf(project.retrain),
    training: {
      priority: trainer.priority,
      ...(trainer.fallback === 'cpu' && { fallbackAfterMs: durationMs(trainer.fallbackAfter) }),
      ...(search && !imported && { search: { trials: trialsOf(search), parallel: search.parallel } }),
    },
  };
}

function policyOf(retrain: Retrain): RetrainPolicy {
  const { mode, debounce, quietHours, budget, window, ship, fruitless } = retrain;
  return {
    ...{ mode, budget, window, mustBeat: ship === 'better', fruitlessAtMost: fruitless },
    debounceMs: debounce === undefined ? 0 : durationMs(debounce),
    quiet: quietHours.map(({ from, until, days }) => ({
      ...{ from: minutesOf(from), until: minutesOf(until) },
      ...(days && { days: days.map((day) => weekdays.indexOf(day)) }),
    })),
  };
}

function minutesOf(time: string): number {
  const [hours, minutes] = time.split(':').map(Number) as [number, number];
  return hours * 60 + minutes;
}
