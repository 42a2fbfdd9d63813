/** What the scoring process of a batch is asked, and what it says. */
import { z } from 'zod';

export const ScoreChildRequest = z.object({
  model: z.string(),
  version: z.int(),
  /** Of the plan: each file bears it. */
  plan: z.string(),
  keep: z.array(z.string()).nullable(),
  parts: z.array(
    z.object({
      /** Its place in the plan. */
      part: z.int(),
      path: z.string(),
      /** Rows of the file; absent for all. */
      range: z.object({ from: z.int(), until: z.int() }).optional(),
      rows: z.int(),
      output: z.string(),
    }),
  ),
});
export type ScoreChildRequest = z.infer<typeof ScoreChildRequest>;

export const ScoreChildEvent = z.discriminatedUnion('event', [
  z.object({ event: z.literal('progress'), rows: z.int() }),
  /** Its file is whole. */
  z.object({ event: z.literal('part'), part: z.int() }),
  /** The part's file is at fault. */
  z.object({ event: z.literal('unreadable'), part: z.int(), reason: z.string().max(2_000) }),
  z.object({ event: z.literal('refused'), reason: z.string().max(2_000) }),
]);
export type ScoreChildEvent = z.infer<typeof ScoreChildEvent>;
