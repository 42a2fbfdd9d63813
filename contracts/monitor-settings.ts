/** `monitor:` of a project: which windows are looked at, and what in them is told. */
import { z } from 'zod';
import { ColumnName, Duration, Ratio } from './artifact.ts';
import { Threshold } from './drift.ts';

export const Monitor = z.strictObject({
  every: Duration.default('1d'),
  /** How late labels come; quality is judged on the window that lies this far back. */
  labelDelay: Duration.default('1d'),
  /** Fewer rows than this make no alarm. */
  minRows: z.int().nonnegative().default(200),
  /** The share of windows that may raise an alarm of drift although nothing has changed. */
  alpha: z.number().gt(0).max(0.5).default(0.05),
  /** Where set, the population stability index alone decides of every column, from here on. */
  psi: z.number().positive().optional(),
  /** The same for single columns. */
  columns: z.record(ColumnName, z.strictObject({ psi: z.number().positive() })).default({}),
  /** Any other statistic that alone decides, of all columns or of one. */
  thresholds: z.array(Threshold).max(200).default([]),
  /** What of the service is too much; unset: nobody is told. */
  service: z
    .strictObject({ errors: Ratio.default(0.01), p99Ms: z.number().positive().optional() })
    .prefault({}),
  /** Groups with fewer labelled rows do not count for gaps of fairness. */
  minGroup: z.int().positive().default(50),
  /** A gap between groups that is told once its interval lies above; unset: none is. */
  maxGap: Ratio.optional(),
  /** How far ahead a limit that will be crossed is told. */
  horizon: Duration.default('30d'),
  /** Short for a sink of `alerts`: to a webhook, unsigned. */
  webhook: z.url().optional(),
});
export type Monitor = z.infer<typeof Monitor>;
