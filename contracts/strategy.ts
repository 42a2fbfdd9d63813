/**
 * How a project wants a new version to get its traffic, and what it tolerates meanwhile: the section
 * `rollout` of `esteira.yaml`. Its words are those of Argo Rollouts, Flagger and SageMaker's guardrails.
 */
import { z } from 'zod';
import { Duration, durationMs, Ratio } from './artifact.ts';
import type { Traffic } from './rollout.ts';

/** What a prediction costs once its label has come; `relative-error` for regression, the others for classes. */
export const Loss = z.enum(['brier', 'error', 'relative-error']);
export type Loss = z.infer<typeof Loss>;

/** The share of equal versions that a test may call different, however often and long it looks. */
const alpha = z.number().positive().max(0.5).default(0.05);
/** Rows that both versions scored and that have a label; with fewer the test says nothing. */
const minLabels = z.int().positive().default(50);
/** Brier for classes, relative-error for regression, if absent. */
const loss = Loss.optional();

export const Rollout = z.strictObject({
  /**
   * canary: share by share. all-at-once: all of the traffic in one step. shadow-then-canary: first beside
   * the champion, unseen. ab: half and half until one of the two is shown to be better.
   */
  strategy: z.enum(['canary', 'all-at-once', 'shadow-then-canary', 'ab']).default('canary'),
  steps: z
    .array(z.strictObject({ share: z.number().gt(0).lt(1), bake: Duration }))
    .max(20)
    .default([{ share: 0.1, bake: '10m' }]),
  /** all-at-once: how long the champion stays beside the version that has all of the traffic. */
  bake: Duration.default('10m'),
  /** shadow-then-canary: the share of requests that the version answers too, for comparison only. */
  shadow: z
    .strictObject({ share: z.number().gt(0).max(1).default(1), bake: Duration.default('1h') })
    .prefault({}),
  ab: z
    .strictObject({
      share: z.number().gt(0).lt(1).default(0.5),
      ...{ loss, alpha, minLabels },
      maxDuration: Duration.default('14d'),
      /** Who wins when time is up and no difference was shown. */
      tie: z.enum(['champion', 'challenger']).default('champion'),
    })
    .prefault({}),
  maxErrorRate: Ratio.default(0.01),
  /** The challenger's 99th percentile latency over the champion's, at most. */
  maxLatencyRatio: z.number().positive().default(3),
  /** Concordance of the two versions' predictions on canaried rows, 1 is equal (share of equal classes if multiclass). */
  minAgreement: z.number().min(-1).max(1).default(0.2),
  /** Fewer canaried rows than this say nothing: only the golden batch and errors judge then. */
  minRows: z.int().nonnegative().default(50),
  /** Population stability index of its predictions in traffic against those on its holdout; absent: not judged. */
  maxDrift: z.number().positive().optional(),
  /** Whether late labels show it to be worse than the champion; false: not judged. */
  quality: z.union([z.literal(false), z.strictObject({ loss, alpha, minLabels })]).prefault({}),
});
export type Rollout = z.infer<typeof Rollout>;

/** The strategy as the steps that a rollout takes, in order. */
export function trafficOf({ strategy, steps, bake, shadow, ab }: Rollout): Traffic {
  const canary = steps.map((step) => ({
    mode: 'canary' as const,
    share: step.share,
    bakeMs: durationMs(step.bake),
  }));
  const beside = { mode: 'shadow' as const, share: 0, shadow: shadow.share, bakeMs: durationMs(shadow.bake) };
  const trial = {
    ...{ mode: 'ab' as const, share: ab.share, bakeMs: durationMs(ab.maxDuration), tie: ab.tie },
  };
  const all = { mode: 'all-at-once' as const, share: 1, bakeMs: durationMs(bake) };
  return {
    strategy,
    steps: {
      canary,
      'all-at-once': [all],
      'shadow-then-canary': [beside, ...canary],
      ab: [trial],
    }[strategy],
  };
}
