/**
 * The lifecycle on one screen: what each stage takes and what it gives. Read it downwards: a stage's
 * output is the next stage's input.
 */
import { z } from 'zod';
import { Artifact, Instant, LifecycleId, ModelName, Person, Reason, Sha256, Window } from './artifact.ts';
import { Verdict } from './approval.ts';
import { Dataset } from './dataset.ts';
import { MetricValue } from './evaluation.ts';
import { ApprovalPolicy } from './project.ts';
import { RolloutOutcome, Traffic } from './rollout.ts';
import { stageNames } from './stage.ts';
import type { StageName } from './stage.ts';

/** What every stage of a lifecycle is told: whose it is, and the pinned project it follows. */
const common = {
  lifecycleId: LifecycleId,
  project: Artifact,
  /** Whether an equal result of another run may be used; absent before 0.3.0: none is looked for. */
  reuse: z.boolean().optional(),
};

/** Whether a stage's result was used again, and why, or why not. */
export const CacheNote = z.object({ hit: z.boolean(), why: z.string().max(500) });
export type CacheNote = z.infer<typeof CacheNote>;
const cached = { cache: CacheNote.optional() };

/** A rule of the project that the data broke. `examples` are at most 10 rows, and only in the store's record. */
export const BrokenCheck = z.object({
  check: z.string(),
  severity: z.enum(['warn', 'error']),
  /** Rows that break it (or the number counted, for whole-dataset checks). */
  count: z.int().nonnegative(),
  of: z.int().nonnegative(),
  detail: z.string().max(500),
  examples: z.array(z.record(z.string(), z.string().max(200).nullable())).max(10),
});
export type BrokenCheck = z.infer<typeof BrokenCheck>;

/** Prepared data: `manifest` is a `PreparedManifest`. */
export const Prepared = z.object({
  manifest: Artifact,
  rows: z.object({ train: z.int(), validation: z.int(), holdout: z.int() }),
  ...cached,
});

/** A trained model, raw named columns → prediction, one ONNX file. */
export const Candidate = z.object({
  model: Artifact,
  metrics: z.record(z.string(), z.number()),
  steps: z.number(),
  seconds: z.number(),
  /** The file of a model that was trained elsewhere; absent before 0.4.0, and for others. */
  importedFrom: z.string().max(200).optional(),
  ...cached,
});

/** A version that serves, as evaluate compares with it. */
export const Champion = z.object({ version: z.int().positive(), model: Artifact });

export const GateResult = z.object({
  metric: z.string(),
  bound: z.enum(['min', 'max', 'notWorseThanChampionBy', 'betterThanChampion']),
  limit: z.number(),
  /** What was compared with the limit: the metric, or how much worse than the champion. Null if missing. */
  value: z.number().nullable(),
  passed: z.boolean(),
});
export type GateResult = z.infer<typeof GateResult>;

/** How good a model is on rows it never saw; the whole scorecard is in the artifact. */
export const ScorecardSummary = z.object({
  rows: z.int().positive(),
  metrics: z.record(z.string(), MetricValue),
  champion: z.object({ version: z.int(), metrics: z.record(z.string(), MetricValue) }).optional(),
  gates: z.array(GateResult),
  passed: z.boolean(),
  gatesDigest: Sha256,
  scorecard: Artifact,
  report: Artifact,
  ...cached,
});
export type ScorecardSummary = z.infer<typeof ScorecardSummary>;

/** Why a lifecycle starts. `id` makes it countable once. */
export const Trigger = z.object({
  id: z.string().min(1).max(200),
  kind: z.enum([
    ...(['manual', 'schedule', 'new-data', 'drift', 'quality', 'code', 'recall'] as const),
    ...(['event', 'forecast', 'upstream'] as const), // not before 0.5.0
  ]),
  by: Person,
  reason: Reason,
  /** Event time: the lifecycle takes the project's window up to here. */
  at: Instant,
  /** Event time from which on the world is another one, if it is known; absent before 0.5.0. */
  since: Instant.optional(),
});
export type Trigger = z.infer<typeof Trigger>;

/** Input and output of every stage that is an activity, in the order the data meets them. */
export const stages = {
  ingest: { input: z.object({ ...common, window: Window }), output: Dataset.extend(cached) },
  validate: {
    input: z.object({ ...common, dataset: Dataset }),
    output: z.object({
      passed: z.boolean(),
      broken: z.array(BrokenCheck).max(50),
      checks: z.int(),
      profile: Artifact,
    }),
  },
  prepare: {
    input: z.object({ ...common, dataset: Dataset, shuffleLabels: z.boolean().optional() }),
    output: Prepared,
  },
  train: {
    input: z.object({
      ...common,
      prepared: Prepared,
      /** Over the project's own: of a version that a search has found, when it is trained once more. */
      parameters: z.record(z.string(), z.unknown()).optional(),
    }),
    output: Candidate,
  },
  evaluate: {
    input: z.object({
      ...common,
      prepared: Prepared,
      candidate: Candidate,
      champion: Champion.optional(),
      /** Not to pass unless it is better than the champion; absent before 0.5.0, and where a person asked for the run. */
      mustBeat: z.boolean().optional(),
    }),
    output: ScorecardSummary,
  },
  deploy: {
    input: z.object({
      ...common,
      dataset: Dataset,
      prepared: Prepared,
      candidate: Candidate,
      scorecard: ScorecardSummary,
      verdict: Verdict,
      window: Window,
    }),
    output: z.object({ version: z.int().positive(), package: Artifact }),
  },
} as const;

export type Stage = keyof typeof stages;
export type Input<S extends Stage> = z.infer<(typeof stages)[S]['input']>;
export type Output<S extends Stage> = z.infer<(typeof stages)[S]['output']>;

/** The functions a worker must register, one per stage. Workflows call them by these names. */
export type StageActivities = { [S in Stage]: (input: Input<S>) => Promise<Output<S>> };

/** `off`: every stage works. `from`: that stage and those after it work. */
export const Reuse = z.object({ off: z.boolean().default(false), from: z.enum(stageNames).optional() });
export type Reuse = z.infer<typeof Reuse>;

/** What workflows know of a training before it begins; absent before 0.3.0. */
export const TrainingPlan = z.object({
  /** 1 goes first, 5 last. */
  priority: z.int().min(1).max(5),
  /** After how long a queue without workers is given up, and a cpu worker trains; absent: it waits. */
  fallbackAfterMs: z.int().positive().optional(),
  search: z.object({ trials: z.int().positive(), parallel: z.int().positive() }).optional(),
});
export type TrainingPlan = z.infer<typeof TrainingPlan>;

/** What the model entity starts a lifecycle with. */
export const LifecyclePlan = z.object({
  lifecycleId: LifecycleId,
  model: ModelName,
  project: Artifact,
  window: Window,
  trigger: Trigger,
  champion: Champion.optional(),
  /** Who must agree, by when (ms), reminded after (ms); `auto`: nobody is asked this time. */
  approval: z.object({
    policy: ApprovalPolicy,
    policyDigest: Sha256,
    auto: z.boolean(),
    deadlineMs: z.int().positive(),
    reminderMs: z.int().positive().optional(),
  }),
  bakes: z.array(z.object({ share: z.number(), bakeMs: z.int().nonnegative() })).max(20),
  /** The strategy of its rollout; absent before 0.4.0: the bakes alone. */
  traffic: Traffic.optional(),
  monitorEveryMs: z.int().positive(),
  device: z.enum(['cpu', 'gpu']),
  training: TrainingPlan.optional(),
  /** Which stages may use an equal result of another run; absent before 0.3.0: none. */
  reuse: Reuse.optional(),
  /** Absent before 0.5.0. */
  mustBeat: z.boolean().optional(),
  /** For drills only: a gate that says no is recorded and overruled, by the trigger's person. */
  overrideGates: z.boolean().default(false),
  /** For drills only: the training labels are shuffled, so that the model has learned nothing. */
  shuffleLabels: z.boolean().default(false),
});
export type LifecyclePlan = z.infer<typeof LifecyclePlan>;

/** Every way a run can end well. A "no" is an outcome; only a broken world is a failure. */
export const LifecycleOutcome = z.discriminatedUnion('status', [
  z.object({
    status: z.literal('deployed'),
    version: z.int(),
    epoch: z.int(),
    scorecard: ScorecardSummary,
  }),
  z.object({ status: z.literal('bad-data'), broken: z.array(BrokenCheck) }),
  z.object({ status: z.literal('gate-missed'), scorecard: ScorecardSummary }),
  z.object({ status: z.literal('rejected'), verdict: Verdict }),
  z.object({ status: z.literal('expired'), verdict: Verdict }),
  z.object({ status: z.literal('rolled-back'), version: z.int(), rollout: RolloutOutcome }),
  z.object({ status: z.literal('taken-back'), version: z.int(), rollout: RolloutOutcome }),
  z.object({ status: z.literal('superseded'), version: z.int(), detail: z.string() }),
]);
export type LifecycleOutcome = z.infer<typeof LifecycleOutcome>;

/** What the `progress` query answers: where the run is, and what it waits for. */
export interface LifecycleProgress {
  lifecycleId: string;
  stage: StageName | 'done';
  /** What it waits for, in words, when it waits: `2 approvals of risk until …`. */
  waitsFor: string | null;
  /** Stages that ended, in order, with what they gave, in one line each. */
  done: { stage: StageName; result: string; seconds: number }[];
  outcome: LifecycleOutcome['status'] | null;
}
