/** Ticks made anew over a stretch of the past: after labels have come late, or a rule has changed. */
import { z } from 'zod';
import { ModelName, Window } from './artifact.ts';

export const BackfillPlan = z.object({
  model: ModelName,
  window: Window,
  /** Length of a tick's window, in ms. */
  everyMs: z.int().positive(),
  /** At once. */
  parallel: z.int().positive().max(50),
  /** What a run before this one has done, when it goes on as new. */
  before: z.object({ done: z.int(), changed: z.int() }).optional(),
});
export type BackfillPlan = z.infer<typeof BackfillPlan>;

/** `changed`: ticks whose record is another one now. */
export interface BackfillProgress {
  done: number;
  of: number;
  changed: number;
}
