/** What the scoring process is asked, and what it says. */
import { z } from 'zod';

export const ScorerRequest = z.object({
  models: z.array(z.object({ path: z.string(), output: z.string() })).min(1),
  /** Raw Parquet parts, in order. */
  parts: z.array(z.string()).min(1),
  /** Rows that nobody has seen, for the first model alone: what it makes of them refuses nothing. */
  shuffled: z.string().optional(),
});
export type ScorerRequest = z.infer<typeof ScorerRequest>;

export const ScorerEvent = z.discriminatedUnion('event', [
  z.object({ event: z.literal('progress'), rows: z.int() }),
  z.object({ event: z.literal('not-finite'), row: z.int() }),
  /** The model is not one that may be opened, or it fails on these rows; by its place in the request. */
  z.object({ event: z.literal('refused'), model: z.int().nonnegative(), reason: z.string().max(2_000) }),
]);
export type ScorerEvent = z.infer<typeof ScorerEvent>;
