/**
 * `esteira.yaml`: one model's sources, checks, features, trainer, gates, policy, rollout, monitor
 * and triggers. The editor's JSON Schema is generated from here (`esteira schema`).
 */
import { z } from 'zod';
import { AlertSettings } from './alert-settings.ts';
import { Artifact, ColumnName, Duration, ModelName, Ratio, Sha256 } from './artifact.ts';
import { Imported } from './imported.ts';
import { Monitor } from './monitor-settings.ts';
import { Retrain } from './retrain-settings.ts';
import { Rollout } from './strategy.ts';
import { Search, Trainer } from './training.ts';

/** For `refine`: a record bears no `max` of its own. */
const atMost =
  (most: number) =>
  (record: object): boolean =>
    Object.keys(record).length <= most;
const SourceName = z.string().regex(/^[a-z_][a-z0-9_]*$/, 'must be a plain SQL name');

export const Task = z.enum(['binary-classification', 'multiclass-classification', 'regression']);
export type Task = z.infer<typeof Task>;

/**
 * Files of one shape; `path` may hold `*` and `**`, and is relative to the project. `landing:<source>` is what was pushed to
 * the gateway's `/data/<source>`.
 */
export const Source = z.strictObject({
  path: z.string().min(1),
  format: z.enum(['csv', 'parquet', 'json']).optional(),
  /** Between the fields of a CSV; a comma, or a tab in .tsv files, if absent. Never guessed. */
  delimiter: z.string().length(1).optional(),
});
export type Source = z.infer<typeof Source>;

const severity = {
  severity: z.enum(['warn', 'error']).default('error'),
  /** The share of rows that may break the rule: 0.01 is one in a hundred. */
  tolerate: Ratio.default(0),
};

/** A rule about the data. Null values are skipped by every rule but `not-null`. */
export const Check = z.discriminatedUnion('check', [
  z.strictObject({ check: z.literal('not-null'), column: ColumnName, ...severity }),
  z.strictObject({
    check: z.literal('range'),
    column: ColumnName,
    min: z.number().optional(),
    max: z.number().optional(),
    ...severity,
  }),
  z.strictObject({
    check: z.literal('allowed'),
    column: ColumnName,
    values: z.array(z.union([z.string(), z.number(), z.boolean()])).min(1),
    ...severity,
  }),
  z.strictObject({ check: z.literal('regex'), column: ColumnName, pattern: z.string(), ...severity }),
  z.strictObject({
    check: z.literal('unique'),
    columns: z.union([ColumnName, z.array(ColumnName).min(1)]),
    ...severity,
  }),
  z.strictObject({
    check: z.literal('row-count'),
    min: z.int().nonnegative().optional(),
    max: z.int().nonnegative().optional(),
    severity: severity.severity,
  }),
  z.strictObject({ check: z.literal('freshness'), within: Duration, severity: severity.severity }),
  z.strictObject({
    check: z.literal('sql'),
    name: z.string().min(1),
    /** A condition over one row that a good row meets: `arrival >= departure`. */
    holds: z.string().min(1),
    ...severity,
  }),
]);
export type Check = z.infer<typeof Check>;

/**
 * One model input and what is done to it, always in this order:
 * part → impute → clip → log → scale (numbers), or part → encode (categories).
 */
export const Feature = z.strictObject({
  /** The column it comes from; the feature's own name if absent. */
  from: ColumnName.optional(),
  /** A part of a timestamp, in UTC: hour 0-23, weekday 0 (Monday)-6, day 1-31, month 1-12, minute 0-1439. */
  part: z.enum(['hour', 'weekday', 'day', 'month', 'minute']).optional(),
  /** Replaces a part by the sine and cosine of its angle, so that 23 h is near 0 h. */
  cyclic: z.boolean().optional(),
  /** What stands for a missing number. Default: median. */
  impute: z.union([z.enum(['mean', 'median', 'most-frequent']), z.number()]).optional(),
  clip: z.tuple([z.number(), z.number()]).optional(),
  /** Natural logarithm of 1 + x. */
  log: z.boolean().optional(),
  /** standard: minus mean, over standard deviation. robust: minus median, over interquartile range. */
  scale: z.enum(['standard', 'robust', 'none']).optional(),
  encode: z.enum(['one-hot', 'embedding']).optional(),
  /** Categories rarer than this in the training rows share the unknown bucket. Default 1. */
  minCount: z.int().positive().optional(),
  /** Width of an embedding. Default: ceil(categories ^ 0.25) × 2. */
  dimensions: z.int().positive().max(256).optional(),
});
export type Feature = z.infer<typeof Feature>;

const shares = { validation: Ratio.default(0.1), holdout: Ratio.default(0.2) };
/** time: the last rows are the holdout. group: no group on two sides. random: stratified by label. */
export const Split = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('time'), ...shares }),
  z.strictObject({ by: z.literal('group'), column: ColumnName, seed: z.int().default(0), ...shares }),
  z.strictObject({ by: z.literal('random'), seed: z.int().default(0), ...shares }),
]);
export type Split = z.infer<typeof Split>;

/** One metric's bar, frozen before training. Every bound given must hold; a missing number fails. */
export const Gate = z.strictObject({
  min: z.number().optional(),
  max: z.number().optional(),
  /** Worse than the champion on the same rows by at most this much. Met when there is no champion. */
  notWorseThanChampionBy: z.number().nonnegative().optional(),
});
export type Gate = z.infer<typeof Gate>;

const Role = z
  .string()
  .max(63)
  .regex(/^[a-z][a-z0-9-]*$/);
const rolesAtMost = 50;
/** A policy travels in every plan and approval, so it must stay small; a directory of people does not belong in it. */
const peopleAtMost = 1_000;
const isShort = (people: Record<string, string[]>) => Object.values(people).flat().length <= peopleAtMost;
export const ApprovalPolicy = z.discriminatedUnion('policy', [
  /** Nobody is asked. For low-risk models; the record says so. */
  z.strictObject({ policy: z.literal('auto') }),
  z.strictObject({
    policy: z.literal('people'),
    /** How many different people of each role must agree. */
    need: z
      .record(Role, z.int().positive())
      .refine(atMost(rolesAtMost), `must have at most ${rolesAtMost} roles`),
    /** Who has which role; `*` is anybody. */
    people: z
      .record(Role, z.array(z.string().min(1).max(100)).min(1))
      .refine(atMost(rolesAtMost), `must have at most ${rolesAtMost} roles`)
      .refine(isShort, `must name at most ${peopleAtMost} people in all; \`*\` is anybody`),
    deadline: Duration.default('7d'),
    reminder: Duration.optional(),
    requesterMayApprove: z.boolean().default(false),
    /** Retrained versions that beat the champion at the gates need no person. */
    autoForRetrain: z.boolean().default(false),
  }),
]);
export type ApprovalPolicy = z.infer<typeof ApprovalPolicy>;

/** The prediction log: which requests are in it, and what becomes of inputs that tell of a person. */
export const Log = z.strictObject({
  /** Share of requests, by their id. 1 is all: what cannot be written down is not answered. */
  sample: z.number().gt(0).max(1).default(1),
  /** `omit`: the column is not written down. `hash`: a keyed hash of it is. Neither is monitored. */
  pii: z.record(ColumnName, z.enum(['omit', 'hash'])).default({}),
});
export type Log = z.infer<typeof Log>;

export const Project = z.strictObject({
  model: ModelName,
  description: z.string().default(''),
  owner: z.string().min(1),
  task: Task,
  sources: z.record(SourceName, Source).refine(atMost(100), 'must have at most 100 sources'),
  /** SQL over the sources, with `$from` and `$until`; or the name of an .sql file beside the project. */
  query: z.string().min(1),
  /** How much event time a lifecycle takes, back from its `until`. */
  window: Duration,
  /** A column that names the row. */
  key: ColumnName,
  /** A timestamp column: when the row was known. */
  time: ColumnName,
  label: ColumnName,
  checks: z.array(Check).max(200).default([]),
  features: z.record(ColumnName, Feature).refine(atMost(5_000), 'must have at most 5000 features'),
  split: Split.default({ by: 'time', validation: 0.1, holdout: 0.2 }),
  trainer: Trainer,
  /** Many trainings with other parameters; the best one goes on. */
  search: Search.optional(),
  /** Whether stages may use results of equal runs: same code, environment, parameters and data. */
  reuse: z.boolean().default(true),
  gates: z.record(z.string().max(100), Gate).refine(atMost(100), 'must have at most 100 gates'),
  /** Columns whose values evaluate reports one by one. */
  slices: z.array(ColumnName).max(20).default([]),
  approval: ApprovalPolicy,
  rollout: Rollout.prefault({}),
  log: Log.prefault({}),
  monitor: Monitor.prefault({}),
  alerts: AlertSettings.prefault({}),
  retrain: Retrain.prefault({}),
});
export type Project = z.infer<typeof Project>;

/** A project as a lifecycle pins it: content-hashed, so that a later edit changes no run under way. */
export const PinnedProject = z.object({
  project: Project,
  /** The text of `query`, even when the project names a file. */
  sql: z.string().min(1),
  /** Sources with absolute paths or URIs. */
  root: z.string(),
  gitCommit: z.string().nullable(),
  /** What the working tree had changed since that commit, as `git diff` says it; absent when nothing, or before 0.3.0. */
  gitDiff: Artifact.optional(),
  /** Files of the project that its trainer runs: pinned, so that a worker elsewhere has them, and has these. */
  files: z.array(z.object({ path: z.string(), artifact: Artifact })).optional(),
  /** Its model was trained elsewhere: no trainer runs, and all rows are held out. Absent before 0.4.0. */
  imported: Imported.optional(),
  /** Over `gates`, frozen before training. */
  gatesDigest: Sha256,
  /** Over `approval`. */
  policyDigest: Sha256,
});
export type PinnedProject = z.infer<typeof PinnedProject>;

/** What travels: the pinned project's bytes, and the little that workflows branch on. */
export const ProjectRef = z.object({ artifact: Artifact, model: ModelName });
export type ProjectRef = z.infer<typeof ProjectRef>;
