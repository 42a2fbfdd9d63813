/** What a version brings along for its monitoring, made while its holdout and its data were at hand: `Package.watch`. */
import { z } from 'zod';
import { Ratio } from './artifact.ts';
import { Summary, SummaryColumn } from './drift.ts';

/**
 * From scores to probabilities: an isotonic fit on the holdout. Between two scores the value is between theirs, beyond the
 * ends it stays.
 */
export const Calibrator = z.object({ at: z.array(z.number()).min(1), value: z.array(z.number()).min(1) });
export type Calibrator = z.infer<typeof Calibrator>;

/** Found by evaluate, which has the predictions and the labels of the holdout. */
export const Foresight = z.object({
  /** What the version predicts on the holdout: its first output, or the class if there are several. */
  prediction: SummaryColumn,
  /** By input: the share of what the model loses when one input is shuffled, of a sample; absent of wide models. */
  importance: z.record(z.string(), Ratio).optional(),
  /** Classifiers: one fit a class (binary: of the positive one), null where the scores are better as they are. */
  calibrators: z.array(Calibrator.nullable()).optional(),
});
export type Foresight = z.infer<typeof Foresight>;

/** How far a column is from its reference, by the measures that its kind has. */
export const Effects = z
  .object({
    ks: z.number(),
    wassersteinNormed: z.number(),
    tvd: z.number(),
    nullShare: z.number(),
    infiniteShare: z.number(),
    newCategoryShare: z.number(),
  })
  .partial();
export type Effects = z.infer<typeof Effects>;

export const Watch = Foresight.extend({
  watch: z.literal('esteira/1'),
  /** Of a sample of the training rows: the model's inputs, but for times and what the log does not hold as it is. */
  inputs: Summary,
  /** From so many windows of the data that the version was made of; by column. */
  natural: z.object({ windows: z.int(), floors: z.record(z.string(), Effects) }),
});
export type Watch = z.infer<typeof Watch>;
