/**
 * The trainer protocol: what any trainer process gets, and what it may say.
 *
 * It gets one JSON file (`TrainerRequest`) whose path is its last argument, and writes one JSON
 * object a line (`TrainerEvent`) to standard output. Everything on standard error is its log.
 */
import { z } from 'zod';
import { Column } from './dataset.ts';
import { Task } from './project.ts';

/**
 * Prepared rows: Parquet with columns `n0…` (FLOAT, finite, scaled), `c0…` (INTEGER category index,
 * 0 = unknown), `label` (FLOAT: 0/1, class index, or the value) and `weight` (FLOAT).
 */
export const FeatureLayout = z.object({
  numeric: z.array(z.string()),
  categorical: z.array(
    z.object({
      name: z.string(),
      /** Number of index values, the unknown bucket included. */
      cardinality: z.int().positive(),
      encode: z.enum(['one-hot', 'embedding']),
      dimensions: z.int().positive(),
    }),
  ),
  /** Class labels in the order of their indices; empty for regression. */
  classes: z.array(z.string()),
});
export type FeatureLayout = z.infer<typeof FeatureLayout>;

export const TrainerRequest = z.object({
  task: Task,
  layout: FeatureLayout,
  columns: z.array(Column),
  train: z.array(z.string()),
  validation: z.array(z.string()),
  rows: z.object({ train: z.int(), validation: z.int() }),
  parameters: z.record(z.string(), z.unknown()),
  seed: z.int(),
  /** A folder to write in: checkpoints and the model. Empty at the start. */
  work: z.string(),
  /** The last checkpoint of an attempt that was lost, if there is one. */
  checkpoint: z.string().optional(),
});
export type TrainerRequest = z.infer<typeof TrainerRequest>;

export const TrainerEvent = z.discriminatedUnion('event', [
  /** `step` of `steps` done; metrics are finite numbers, such as `train_loss`. */
  z.object({
    event: z.literal('progress'),
    step: z.number(),
    steps: z.number(),
    metrics: z.record(z.string(), z.number()).default({}),
  }),
  /** The loss was not finite: no retry mends that, and the trainer is about to leave. */
  z.object({ event: z.literal('diverged'), step: z.number() }),
  /** A complete file from which a successor can go on. */
  z.object({ event: z.literal('checkpoint'), path: z.string() }),
  /**
   * The finished model: ONNX from `numeric` FLOAT[n, N] and `categorical` INT64[n, C] (each only
   * if the layout has such features) to `output`: FLOAT[n] for binary (probability) and regression,
   * FLOAT[n, classes] for multiclass (probabilities).
   */
  z.object({
    event: z.literal('model'),
    path: z.string(),
    metrics: z.record(z.string(), z.number()).default({}),
  }),
]);
export type TrainerEvent = z.infer<typeof TrainerEvent>;
