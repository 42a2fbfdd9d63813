/** One finding of a tick that deserves a person's attention. */
import { z } from 'zod';

/** What a tick looks at; each is judged, or is not for want of rows or labels. */
export const AlertKind = z.enum([
  ...['drift', 'quality', 'prediction', 'silence'],
  ...['service', 'data', 'fairness', 'forecast', 'concept', 'retrain'],
] as const);
export type AlertKind = z.infer<typeof AlertKind>;

/** From the least on. */
export const Severity = z.enum(['info', 'warning', 'critical']);
export type Severity = z.infer<typeof Severity>;

export const Alert = z.object({
  kind: AlertKind,
  message: z.string(),
  /** What it is about, the same at every tick: `drift/price`. Absent before 0.5.0, as the next. */
  key: z.string().min(1).max(200).optional(),
  severity: Severity.optional(),
});
export type Alert = z.infer<typeof Alert>;
