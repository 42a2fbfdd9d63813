/** Rollouts: how a new version gets its traffic, step by step, and what stops it. */
import { z } from 'zod';
import { Artifact, LifecycleId, ModelName } from './artifact.ts';

export const RolloutPlan = z.object({
  model: ModelName,
  version: z.int().positive(),
  lifecycleId: LifecycleId,
  project: Artifact,
  bakes: z.array(z.object({ share: z.number(), bakeMs: z.int().nonnegative() })).max(20),
});
export type RolloutPlan = z.infer<typeof RolloutPlan>;

/** What was seen of the challenger while one step baked. Null: too few rows to say. */
export const Observation = z.object({
  share: z.number(),
  rows: z.int().nonnegative(),
  requests: z.int().nonnegative(),
  errorRate: z.number().nullable(),
  latencyRatio: z.number().nullable(),
  agreement: z.number().nullable(),
  healthy: z.boolean(),
  reason: z.string(),
});
export type Observation = z.infer<typeof Observation>;

export const RolloutOutcome = z.discriminatedUnion('status', [
  z.object({ status: z.literal('promoted'), epoch: z.int(), steps: z.array(Observation) }),
  z.object({ status: z.literal('rolled-back'), reason: z.string(), steps: z.array(Observation) }),
  z.object({ status: z.literal('superseded'), reason: z.string(), steps: z.array(Observation) }),
]);
export type RolloutOutcome = z.infer<typeof RolloutOutcome>;
