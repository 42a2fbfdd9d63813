/** Scorecards: metrics with intervals, slices, calibration, and the comparison with the champion. */
import { z } from 'zod';
import { Ratio } from './artifact.ts';
import { Task } from './project.ts';
import { Foresight } from './watch.ts';

/** A metric and its 95 % bootstrap interval. Null when it cannot be computed (one class only). */
export const MetricValue = z.object({
  value: z.number().nullable(),
  low: z.number().nullable(),
  high: z.number().nullable(),
});
export type MetricValue = z.infer<typeof MetricValue>;
export const Metrics = z.record(z.string(), MetricValue);
export type Metrics = z.infer<typeof Metrics>;

/** `models` of the run are told apart by `candidate` and `champion`. */
export const Scorecard = z.object({
  task: Task,
  rows: z.int(),
  /** Share of positives (binary), else absent. */
  baseRate: Ratio.optional(),
  metrics: Metrics,
  champion: z
    .object({
      version: z.int(),
      metrics: Metrics,
      /** Candidate minus champion on the same rows, with a paired bootstrap interval. */
      difference: Metrics,
    })
    .optional(),
  /** The same metrics on training and validation rows, as the trainer measured them, and their gap. */
  fit: z.record(z.string(), z.number()),
  calibration: z.array(
    z.object({ from: z.number(), to: z.number(), rows: z.int(), predicted: z.number(), actual: z.number() }),
  ),
  /** rows = actual, columns = predicted. Threshold 0.5 for binary. */
  confusion: z.object({ classes: z.array(z.string()), counts: z.array(z.array(z.int())) }).optional(),
  roc: z.array(z.object({ fpr: Ratio, tpr: Ratio })).optional(),
  slices: z.array(
    z.object({
      column: z.string(),
      value: z.string(),
      rows: z.int(),
      metrics: z.record(z.string(), z.number().nullable()),
    }),
  ),
  /** Histogram of the predictions over 20 equal bins of [low, high]; the reference of monitoring. */
  predictions: z.object({ low: z.number(), high: z.number(), counts: z.array(z.int()) }),
  /** For monitoring; absent before 0.5.0. */
  foresight: Foresight.optional(),
});
export type Scorecard = z.infer<typeof Scorecard>;
