/** Rollouts: how a new version gets its traffic, step by step, what stops it, and what people may say to it. */
import { z } from 'zod';
import { Artifact, Instant, LifecycleId, ModelName, Person, Ratio, Reason } from './artifact.ts';

/** One step: what the version is asked, for how long. */
export const Step = z.object({
  mode: z.enum(['shadow', 'canary', 'all-at-once', 'ab']),
  share: Ratio,
  /** The share of the champion's requests that it answers too. */
  shadow: Ratio.optional(),
  bakeMs: z.int().nonnegative(),
  /** ab: who wins when time is up. */
  tie: z.enum(['champion', 'challenger']).optional(),
});
export type Step = z.infer<typeof Step>;

export const Traffic = z.object({ strategy: z.string(), steps: z.array(Step).max(21) });
export type Traffic = z.infer<typeof Traffic>;

/** One limit of the project: what was seen, and whether it holds; null where too few rows say nothing. */
export const GuardResult = z.object({
  guard: z.enum(['errors', 'latency', 'agreement', 'drift', 'quality', 'winner']),
  value: z.number().nullable(),
  limit: z.number(),
  bound: z.enum(['max', 'min']),
  rows: z.int().nonnegative(),
  passed: z.boolean().nullable(),
  detail: z.string().max(300).optional(),
});
export type GuardResult = z.infer<typeof GuardResult>;

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
  /** Each guard that looked; absent before 0.4.0, as the next. */
  guards: z.array(GuardResult).max(10).optional(),
  mode: Step.shape.mode.optional(),
  at: Instant.optional(),
  /** ab: who was shown to be better. */
  winner: z.enum(['champion', 'challenger']).nullable().optional(),
});
export type Observation = z.infer<typeof Observation>;

/** What a person said to a rollout. */
export const Act = z.object({
  act: z.enum(['pause', 'resume', 'promote', 'abort']),
  by: Person,
  reason: Reason,
  at: Instant,
});
export type Act = z.infer<typeof Act>;

/** Where a rollout is, carried when its history is begun anew: weeks of looks do not fit into one. */
export const RolloutProgress = z.object({
  /** Run id of its first run, which its approval is spent on. */
  run: z.string(),
  ticket: z.int().positive(),
  champion: z.int().nullable(),
  shifts: z.int().nonnegative(),
  /** The epoch at which it was loaded everywhere, and when: the log counts from here. */
  since: z.object({ epoch: z.int().positive(), at: Instant }).nullable(),
  /** Index of the step under way, when it has traffic: its epoch, what is left of its bake, and looks so far. */
  step: z.int().nonnegative(),
  epoch: z.int().nullable(),
  leftMs: z.number().nonnegative(),
  looks: z.int().nonnegative(),
  last: Observation.nullable(),
  steps: z.array(Observation).max(21),
  acts: z.array(Act).max(100),
  paused: z.boolean(),
});
export type RolloutProgress = z.infer<typeof RolloutProgress>;

export const RolloutPlan = z.object({
  model: ModelName,
  version: z.int().positive(),
  lifecycleId: LifecycleId,
  project: Artifact,
  bakes: z.array(z.object({ share: z.number(), bakeMs: z.int().nonnegative() })).max(20),
  /** Absent before 0.4.0: the bakes alone, with four looks each. */
  traffic: Traffic.optional(),
  progress: RolloutProgress.optional(),
});
export type RolloutPlan = z.infer<typeof RolloutPlan>;

const seen = { steps: z.array(Observation), acts: z.array(Act).optional() };
export const RolloutOutcome = z.discriminatedUnion('status', [
  z.object({ status: z.literal('promoted'), epoch: z.int(), ...seen }),
  /** Found to be bad, and barred. */
  z.object({ status: z.literal('rolled-back'), reason: z.string(), ...seen }),
  z.object({ status: z.literal('superseded'), reason: z.string(), ...seen }),
  /** Nothing was found against it: a person, or a tie, gave its traffic back. Not before 0.4.0. */
  z.object({ status: z.literal('taken-back'), reason: z.string(), ...seen }),
]);
export type RolloutOutcome = z.infer<typeof RolloutOutcome>;

/** `models/<model>/rollouts/<version>/<run>.json`: how it ended, with all that was seen. */
export const RolloutRecord = z.object({
  model: ModelName,
  version: z.int().positive(),
  run: z.string().regex(/^[A-Za-z0-9-]{1,100}$/),
  lifecycleId: LifecycleId,
  strategy: z.string(),
  champion: z.int().nullable(),
  outcome: RolloutOutcome,
  at: Instant,
});
export type RolloutRecord = z.infer<typeof RolloutRecord>;

/** pause, resume, promote: who says so, and why. */
export const Intervention = z.object({ by: Person, reason: Reason });
export type Intervention = z.infer<typeof Intervention>;
/** Takes the version back; barred only if asked for, for nothing need be wrong with it. */
export const Abort = Intervention.extend({ quarantine: z.boolean().default(false) });
export type Abort = z.infer<typeof Abort>;

export type InterventionAnswer =
  { accepted: true; doing: string } | { accepted: false; code: 'closed' | 'already'; detail: string };

/** Updates that a rollout takes. */
export interface RolloutUpdates {
  pause: [Intervention, InterventionAnswer];
  resume: [Intervention, InterventionAnswer];
  promote: [Intervention, InterventionAnswer];
  abort: [Abort, InterventionAnswer];
}

/** What the query `rollout` answers. */
export interface RolloutView {
  model: string;
  version: number;
  champion: number | null;
  strategy: string;
  doing: string;
  paused: boolean;
  steps: (Step & { state: 'done' | 'now' | 'later' })[];
  /** Of the step under way: bake time that is left, not counting pauses. */
  leftMs: number;
  seen: Observation[];
  acts: Act[];
  outcome: RolloutOutcome['status'] | null;
}

/** `errors 0.4 % of 812 (at most 1 %)`: one guard for people, in details, records and on the command line. */
export function guardText({ guard, value, limit, bound, rows, detail }: GuardResult): string {
  const form = (number: number) =>
    guard === 'errors'
      ? `${short(number * 100)} %`
      : guard === 'latency'
        ? `×${short(number)}`
        : short(number);
  const found = value === null ? 'too few to say' : form(value);
  const unit = guard === 'errors' || guard === 'latency' ? 'requests' : 'rows';
  const limits = `${bound === 'max' ? 'at most' : 'at least'} ${form(limit)}`;
  return `${guard} ${found} (${limits}; ${rows} ${unit}${detail ? `; ${detail}` : ''})`;
}

const short = (value: number): string => String(Number(value.toPrecision(3)));
