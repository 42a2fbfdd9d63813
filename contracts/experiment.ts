/** What is recorded of one training, so that it can be found, compared with others, and done again. */
import { z } from 'zod';
import { Artifact, Instant, LifecycleId, Sha256 } from './artifact.ts';
import { Device } from './trainer.ts';

export const Hardware = z.object({
  cpu: z.string(),
  cores: z.int(),
  memoryBytes: z.number(),
  platform: z.string(),
  /** What the arithmetic ran on: cpu, cuda, webgpu. */
  device: z.string(),
  devices: z.array(Device),
});
export type Hardware = z.infer<typeof Hardware>;

/** Where a trainer's code ran. */
export const EnvironmentInfo = z.object({
  /** Over interpreter, platform and packages with their versions. */
  digest: Sha256,
  python: z.string().optional(),
  packages: z.array(z.string()).optional(),
  node: z.string().optional(),
});
export type EnvironmentInfo = z.infer<typeof EnvironmentInfo>;

/** `series` in the store: for each metric its values by step, in the order in which they came. */
export const Series = z.record(
  z.string(),
  z.object({ step: z.array(z.number()), value: z.array(z.number()), seconds: z.array(z.number()) }),
);
export type Series = z.infer<typeof Series>;

/** `details` of a train stage's or a trial's record. Records before 0.3.0 have `resumedFrom` alone. */
export const TrainingDetails = z.object({
  backend: z.string(),
  /** As the trainer got them. */
  parameters: z.record(z.string(), z.unknown()),
  seed: z.int(),
  /** Digests: prepared data, pinned project, the trainer's own code. */
  data: Sha256,
  project: Sha256,
  code: Sha256,
  environment: EnvironmentInfo,
  git: z.object({ commit: z.string().nullable(), diff: Artifact.optional() }),
  hardware: Hardware,
  series: Artifact,
  /** The last lines of what the trainer printed, at most 1 MB. */
  log: Artifact,
  seconds: z.number(),
  /** Null when the worker has no ESTEIRA_COST_PER_HOUR. */
  cost: z.number().nullable(),
  resumedFrom: z.unknown(),
  /** Why it ended before its last step: budget, or a rung of the search; null when it did not. */
  stopped: z.string().nullable(),
  batchScale: z.number(),
  /** Of the leased devices: mean utilisation in [0, 1], peak of memory in use. */
  use: z.object({ utilization: z.number(), memoryPeakBytes: z.number() }).optional(),
  /** How far the ONNX model is from the framework's own predictions, at most; null when it gave none. */
  agreement: z.object({ rows: z.int(), worst: z.number() }).nullable(),
});
export type TrainingDetails = z.infer<typeof TrainingDetails>;

/** `runs/<lifecycleId>/search/<trial>/record.json`: one training of a search. */
export const TrialRecord = z.object({
  trial: z.int().nonnegative(),
  lifecycleId: LifecycleId,
  /** stopped: by the search's halving, or by a budget; its numbers are those of its last step. */
  state: z.enum(['done', 'stopped', 'failed']),
  /** What the search chose; the rest of the trainer's parameters is in `details`. */
  parameters: z.record(z.string(), z.unknown()),
  /** Of the search's metric; null when the trainer never gave it. */
  value: z.number().nullable(),
  metrics: z.record(z.string(), z.number()),
  step: z.number(),
  /** Absent when it failed or was stopped. */
  model: Artifact.optional(),
  seconds: z.number(),
  startedAt: Instant,
  endedAt: Instant,
  /** Absent when it failed before a trainer ran. */
  details: TrainingDetails.optional(),
  /** Why it failed, or was stopped. */
  message: z.string().optional(),
});
export type TrialRecord = z.infer<typeof TrialRecord>;
