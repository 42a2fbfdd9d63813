/**
 * The trainer protocol: what any trainer process gets, and what it may say. docs/trainers.md tells it to people, and
 * `esteira schema trainer` prints it as JSON Schema.
 *
 * It gets one JSON file (`TrainerRequest`) whose path is its last argument, and writes one JSON
 * object a line (`TrainerEvent`) to standard output. Everything on standard error is its log.
 *
 * SIGTERM: save a checkpoint and leave with 143. SIGUSR1: the budget is spent; say the best model and leave with 0.
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

/** A device that is leased to this training. The trainer sees them as 0, 1, …, for CUDA_VISIBLE_DEVICES names no other. */
export const Device = z.object({
  /** As nvidia-smi counts them on the machine. */
  index: z.int().nonnegative(),
  name: z.string(),
  memoryBytes: z.number(),
});
export type Device = z.infer<typeof Device>;

export const TrainerRequest = z.object({
  protocol: z.literal(1).default(1),
  task: Task,
  layout: FeatureLayout,
  columns: z.array(Column),
  /** Paths of Parquet parts; each is a fair sample of its side. */
  train: z.array(z.string()),
  validation: z.array(z.string()),
  rows: z.object({ train: z.int(), validation: z.int() }),
  parameters: z.record(z.string(), z.unknown()),
  seed: z.int(),
  /** `cuda` with its devices, or `cpu` with none. */
  device: z.enum(['cpu', 'cuda']).default('cpu'),
  devices: z.array(Device).default([]),
  /** A folder to write in: checkpoints and the model. Empty at the start. */
  work: z.string(),
  /** The last checkpoint of an attempt that was lost, if there is one. */
  checkpoint: z.string().optional(),
  /** Until the budget is spent, when there is one. */
  secondsLeft: z.number().nonnegative().optional(),
  /** 1, or 0.5 after the trainer ran out of memory: multiply the batch size by it. */
  batchScale: z.number().positive().default(1),
});
export type TrainerRequest = z.infer<typeof TrainerRequest>;

const Metrics = z.record(z.string().max(100), z.number());

export const TrainerEvent = z.discriminatedUnion('event', [
  /** `step` of `steps` done; metrics are finite numbers, such as `train_loss`, and are kept by step. */
  z.object({
    event: z.literal('progress'),
    step: z.number(),
    steps: z.number(),
    metrics: Metrics.default({}),
  }),
  /** A number at a step, when it is no news of how far the training is. */
  z.object({ event: z.literal('metric'), name: z.string().max(100), step: z.number(), value: z.number() }),
  /** What the arithmetic runs on: cpu, cuda, webgpu. Said once, by a trainer that chose. */
  z.object({ event: z.literal('device'), name: z.string().max(50) }),
  /** A line for the log, which people see. */
  z.object({ event: z.literal('log'), message: z.string() }),
  /** The loss was not finite: no retry mends that, and the trainer is about to leave. */
  z.object({ event: z.literal('diverged'), step: z.number() }),
  /** A batch did not fit. The training begins once more with `batchScale: 0.5`, from the last checkpoint. */
  z.object({ event: z.literal('out-of-memory'), message: z.string().default('') }),
  /** A complete file from which a successor can go on. */
  z.object({ event: z.literal('checkpoint'), path: z.string() }),
  /**
   * The finished model, or the best so far: the last one counts. ONNX from `numeric` FLOAT[n, N] and `categorical`
   * INT64[n, C] (each only if the layout has such features) to `output`: FLOAT[n] for binary (probability) and
   * regression, FLOAT[n, classes] for multiclass (probabilities).
   */
  z.object({
    event: z.literal('model'),
    path: z.string(),
    metrics: Metrics.default({}),
    /**
     * A JSON file with what the framework itself predicts for the first rows (1,000 are enough) of the first
     * validation part: an array of numbers, or of arrays for multiclass. The model must agree with it.
     */
    sample: z.string().optional(),
  }),
]);
export type TrainerEvent = z.infer<typeof TrainerEvent>;
