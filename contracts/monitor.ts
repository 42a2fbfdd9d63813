/** Monitoring: one window of predictions against the reference, and what follows from it. */
import { z } from 'zod';
import { Alert, AlertKind } from './alert.ts';
import { Artifact, Instant, ModelName, Window } from './artifact.ts';
import { Disposition } from './model.ts';

export const MonitorPlan = z.object({
  model: ModelName,
  /** Length of the window a Schedule means, in ms. */
  everyMs: z.int().positive(),
  /** Absent when a Schedule starts it: then the window ends at the scheduled time. */
  window: Window.optional(),
});
export type MonitorPlan = z.infer<typeof MonitorPlan>;

export const ColumnDrift = z.object({
  name: z.string(),
  psi: z.number().nullable(),
  nulls: z.int(),
  /** Rows whose category the reference never saw. */
  unseen: z.int(),
});

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
});
export type Quality = z.infer<typeof Quality>;

/** `monitor/<model>/<tick>.json` */
export const TickRecord = z.object({
  model: ModelName,
  window: Window,
  version: z.int().nullable(),
  rows: z.int(),
  byVersion: z.record(z.string(), z.int()),
  drift: z.array(ColumnDrift),
  quality: Quality.nullable(),
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
