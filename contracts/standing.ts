/** Where a model stands, in one small object: for those who look at hundreds of models every minute. */
import { z } from 'zod';
import { Instant, LifecycleId } from './artifact.ts';

/** `models/<model>/standing.json`. A copy: records and the ledger are the truth. Not before 0.5.0. */
export const Standing = z.object({
  /** Of the newest window that was looked at: the name of its record, and when it ended. */
  tick: z.object({ name: z.string(), until: Instant }).nullable(),
  /** The newest; `outcome` null while it runs. One that an operator terminates runs here until the next one starts. */
  lifecycle: z.object({ lifecycleId: LifecycleId, at: Instant, outcome: z.string().nullable() }).nullable(),
});
export type Standing = z.infer<typeof Standing>;

export const standingKey = (model: string): string => `models/${model}/standing.json`;
