/** Monitoring: one window of predictions against the reference, and what follows from it. */
import { z } from 'zod';
import { Alert, AlertKind } from './alert.ts';
import { Artifact, Instant, ModelName, Window } from './artifact.ts';
import { Metrics, Scorecard } from './evaluation.ts';
import { Disposition } from './model.ts';

export const MonitorPlan = z.object({
  model: ModelName,
  /** Length of the window a Schedule means, in ms. */
  everyMs: z.int().positive(),
  /** Absent when a Schedule starts it: then the window ends at the scheduled time. */
  window: Window.optional(),
});
export type MonitorPlan = z.infer<typeof MonitorPlan>;

/** Of an input, or of the predictions. Before 0.5.0: the first four alone. */
export const ColumnDrift = z.object({
  name: z.string(),
  psi: z.number().nullable(),
  nulls: z.int(),
  /** Rows whose category the reference never saw. */
  unseen: z.int(),
  drifted: z.boolean().optional(),
  /** The rule that fired. */
  rule: z.string().nullable().optional(),
  why: z.string().optional(),
  /** Adjusted for all columns of the window. */
  pValue: z.number().nullable().optional(),
  /** Share of what the model loses without it. */
  importance: z.number().optional(),
  /** Importance × Jensen-Shannon distance: what columns are ordered by, those that drifted first. */
  weight: z.number().optional(),
});
export type ColumnDrift = z.infer<typeof ColumnDrift>;

/** All that is known of a window's columns, for reports: a blob beside the record. */
export const WindowDetails = z.object({
  columns: z.array(
    z.looseObject({
      name: z.string(),
      kind: z.enum(['number', 'category']),
      /** Shares of both sides: of numbers between neighbouring edges (and beyond the ends), of categories by value. */
      bins: z.object({
        edges: z.array(z.number()).optional(),
        values: z.array(z.string()).optional(),
        reference: z.array(z.number()),
        current: z.array(z.number()),
      }),
    }),
  ),
});
export type WindowDetails = z.infer<typeof WindowDetails>;

const Estimated = z.object({ value: z.number(), low: z.number(), high: z.number() });
/** By metric, from scores alone; `low` and `high` are three sampling errors away. */
export const Estimate = z.object({ rows: z.int(), metrics: z.record(z.string(), Estimated) });
export type Estimate = z.infer<typeof Estimate>;

/** A group's rates with how many labelled rows they are from; null where no row counts, such as the TPR without positives. */
const Group = z.object({
  value: z.string(),
  rows: z.int(),
  selectionRate: z.number().nullable(),
  truePositiveRate: z.number().nullable(),
  falsePositiveRate: z.number().nullable(),
});
/** The largest minus the least of groups that are large enough, and its 95 % interval. */
const Gap = z.object({ value: z.number(), low: z.number(), high: z.number() });
export const Fairness = z.object({
  column: z.string(),
  groups: z.array(Group),
  /** Groups with fewer labelled rows than count. */
  small: z.int(),
  demographicParityDifference: Gap.nullable(),
  equalizedOddsDifference: Gap.nullable(),
});
export type Fairness = z.infer<typeof Fairness>;

/** Quality on the window that lies `labelDelay` back. `coverage`: share of its rows with a label. */
export const Quality = z.object({
  window: Window,
  version: z.int(),
  rows: z.int(),
  labelled: z.int(),
  coverage: z.number(),
  metrics: z.record(z.string(), z.number().nullable()),
  /** The same metrics on the holdout at evaluation. */
  reference: z.record(z.string(), z.number().nullable()),
  /** The rest: absent before 0.5.0. 95 %, by bootstrap over the labelled rows. */
  intervals: Metrics.optional(),
  /** Of the labelled rows, without their labels. */
  estimate: Estimate.nullable().optional(),
  calibration: Scorecard.shape.calibration.optional(),
  slices: Scorecard.shape.slices.optional(),
  fairness: z.array(Fairness).optional(),
});
export type Quality = z.infer<typeof Quality>;

/** The project's checks on what the model was asked: rows that break one, of so many. */
export const LiveCheck = z.object({
  check: z.string(),
  severity: z.enum(['warn', 'error']),
  count: z.int(),
  of: z.int(),
  detail: z.string(),
});
export type LiveCheck = z.infer<typeof LiveCheck>;

/** Traffic of the window. Times in ms, of single rows' answers; errors as replicas have counted since the tick before. */
export const Service = z.object({
  rows: z.int(),
  rowsPerMinute: z.number(),
  latencyMs: z.object({ p50: z.number(), p95: z.number(), p99: z.number() }).nullable(),
  queueMs: z.object({ p50: z.number(), p99: z.number() }).nullable(),
  requests: z.int(),
  errors: z.int(),
  /** What the counters stood at, by replica and version: the next tick goes on from there. */
  counters: z.record(z.string(), z.object({ requests: z.int(), errors: z.int() })),
});
export type Service = z.infer<typeof Service>;

/** A number on its way to a limit: in how many days it gets there, and by the ends of the trend's own 90 % interval. */
export const Forecast = z.object({
  metric: z.string(),
  limit: z.number(),
  now: z.number(),
  perDay: z.number(),
  windows: z.int(),
  days: z.number(),
  soonest: z.number(),
  latest: z.number(),
});
export type Forecast = z.infer<typeof Forecast>;

/** `monitor/<model>/<tick>.json` */
export const TickRecord = z.object({
  model: ModelName,
  window: Window,
  version: z.int().nullable(),
  rows: z.int(),
  byVersion: z.record(z.string(), z.int()),
  drift: z.array(ColumnDrift),
  quality: Quality.nullable(),
  /** Of this window, whose labels have not come yet; null where scores say nothing. The rest is absent before 0.5.0. */
  estimate: Estimate.nullable().optional(),
  checks: z.array(LiveCheck).optional(),
  service: Service.optional(),
  forecasts: z.array(Forecast).optional(),
  /** `WindowDetails`. */
  details: Artifact.optional(),
  /** From how many windows of the version's own data it is known what is usual; 0: there were too few. */
  usualFrom: z.int().optional(),
  alerts: z.array(Alert),
  /** What it could judge: of these kinds, what is not among the alerts is well. Absent before 0.5.0: unknown. */
  judged: z.array(AlertKind).optional(),
});
export type TickRecord = z.infer<typeof TickRecord>;

/** What became of a prediction log's files: so many of so many days are so few now. */
export const Compaction = z.object({ days: z.int(), files: z.int(), into: z.int() });
export type Compaction = z.infer<typeof Compaction>;

/** What a tick gives back to its workflow: the record by reference, and its findings in short. */
export const TickSummary = z.object({
  record: Artifact,
  tick: z.string(),
  window: Window,
  version: z.int().nullable(),
  rows: z.int(),
  worstPsi: z.object({ name: z.string(), psi: z.number() }).nullable(),
  alerts: z.array(Alert).max(100),
  judged: z.array(AlertKind).optional(),
  /** Of a tick that was made again: whether its record is another one now. */
  changed: z.boolean().optional(),
  /** Whether anything can follow: a rule may ask for a lifecycle, the book of alerts has to hear of it. Both, where it does not say. */
  follows: z.object({ rules: z.boolean(), news: z.boolean() }).optional(),
});
export type TickSummary = z.infer<typeof TickSummary>;

/** One rule of the project that fired, and what the model entity made of it. */
export const RetrainAnswer = z.object({
  rule: z.string(),
  reason: z.string(),
  disposition: Disposition,
});
export type RetrainAnswer = z.infer<typeof RetrainAnswer>;

export const MonitorOutcome = z.object({ tick: TickSummary, retrain: z.array(RetrainAnswer), at: Instant });
export type MonitorOutcome = z.infer<typeof MonitorOutcome>;
