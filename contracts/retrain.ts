/** When a machine may start a lifecycle by itself: what of a project's `retrain` the model entity goes by. */
import { z } from 'zod';

/** Which data a retraining takes. `sliding`: the project's window. `expanding`: all since the first run. `since-change`: what came after the change that asked for it. */
export const RetrainWindow = z.enum(['sliding', 'expanding', 'since-change']);
export type RetrainWindow = z.infer<typeof RetrainWindow>;

/** Hours of a week, UTC, in which nothing starts by itself; 22 to 6 goes over midnight, and belongs to the day it begins on. */
export const Quiet = z.object({
  /** Minutes of the day. */
  from: z.int().min(0).max(1_439),
  until: z.int().min(0).max(1_439),
  /** 0 Sunday … 6 Saturday; all, if absent. */
  days: z.array(z.int().min(0).max(6)).min(1).optional(),
});
export type Quiet = z.infer<typeof Quiet>;

/** Of a calendar month, UTC, over all lifecycles of the model. `money` as ESTEIRA_COST_PER_HOUR counts it. */
export const Budget = z.object({
  runs: z.int().positive().optional(),
  seconds: z.number().positive().optional(),
  money: z.number().positive().optional(),
});
export type Budget = z.infer<typeof Budget>;
export const Spent = z.object({ runs: z.int(), seconds: z.number(), money: z.number() });
export type Spent = z.infer<typeof Spent>;

export const RetrainPolicy = z.object({
  /** `suggest`: what asks for a lifecycle is recorded, and a person starts it. */
  mode: z.enum(['auto', 'suggest']),
  debounceMs: z.int().nonnegative(),
  quiet: z.array(Quiet),
  budget: Budget,
  window: RetrainWindow,
  /** A candidate that is not better than the champion on the same rows is recorded, and not shipped. */
  mustBeat: z.boolean(),
  /** After so many in a row that shipped nothing each next one waits twice as long. */
  fruitlessAtMost: z.int().positive(),
});
export type RetrainPolicy = z.infer<typeof RetrainPolicy>;
