/** `retrain:` of a project: which findings and events ask for a new lifecycle, and how soon one may start. */
import { z } from 'zod';
import { Duration, ModelName } from './artifact.ts';
import { Budget, RetrainWindow } from './retrain.ts';

const Pattern = z
  .string()
  .min(1)
  .max(300)
  .regex(/^[^*]*\*?$/, 'may hold one *, at its end');

/** `22:00` */
const ClockTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day such as 22:00');
export const weekdays = [
  'sunday',
  'monday',
  'tuesday',
  'wednesday',
  'thursday',
  'friday',
  'saturday',
] as const;
const Weekday = z.enum(weekdays);

/** Rules that ask for a new lifecycle. `cooldown` is measured in event time. */
export const Retrain = z.strictObject({
  rules: z
    .array(
      z.discriminatedUnion('on', [
        z.strictObject({
          on: z.literal('drift'),
          /** A bar for the index; unset: what the monitor's rule says has drifted. */
          psi: z.number().positive().optional(),
          /** At least this many features over the bar. */
          features: z.int().positive().default(1),
        }),
        z.strictObject({
          on: z.literal('quality'),
          metric: z.string().min(1),
          /** Worse than at evaluation by more than this. */
          worseBy: z.number().nonnegative(),
        }),
        /** A limit that a number is on its way to, reached in so many days. */
        z.strictObject({ on: z.literal('forecast'), metric: z.string().min(1).optional(), within: Duration }),
        z.strictObject({ on: z.literal('new-data'), rows: z.int().positive() }),
        z.strictObject({ on: z.literal('every'), period: Duration }),
        /** An event that the gateway took. A pattern is exact, or ends in `*`. */
        z.strictObject({
          on: z.literal('event'),
          type: Pattern,
          source: Pattern.optional(),
          subject: Pattern.optional(),
        }),
        /** A push that a Git forge told the gateway of. */
        z.strictObject({
          on: z.literal('code-changed'),
          /** Its address, or the end of its path: `fleet/delays`. */
          repository: z.string().min(1).max(300),
          branch: Pattern.optional(),
          /** A changed file must match one; `*` stays within a folder, `**` does not. */
          paths: z.array(z.string().min(1).max(200)).min(1).max(50).optional(),
        }),
        /** Another model, whose predictions are a column of this one's data, has another champion. */
        z.strictObject({ on: z.literal('upstream'), model: ModelName }),
      ]),
    )
    .max(20)
    .default([]),
  cooldown: Duration.default('1d'),
  /** `suggest`: a rule that fires is recorded and told, and a person starts the run. */
  mode: z.enum(['auto', 'suggest']).default('auto'),
  /** How long the first reason waits for more. */
  debounce: Duration.optional(),
  /** UTC; a run that is due in them starts when they are over. */
  quietHours: z
    .array(z.strictObject({ from: ClockTime, until: ClockTime, days: z.array(Weekday).min(1).optional() }))
    .max(20)
    .default([]),
  /** A month, UTC. */
  budget: z.strictObject(Budget.shape).default({}),
  window: RetrainWindow.default('sliding'),
  /** `better`: on the same rows than the champion, in what the first gate is about. `gates`: the gates are enough. */
  ship: z.enum(['better', 'gates']).default('better'),
  /** So many in a row that shipped nothing; from then on each waits twice as long as the one before. */
  fruitless: z.int().positive().default(2),
});
export type Retrain = z.infer<typeof Retrain>;
