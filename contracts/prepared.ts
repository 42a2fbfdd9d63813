/** What prepare hands to train and evaluate. */
import { z } from 'zod';
import { Artifact } from './artifact.ts';
import { Column, Part } from './dataset.ts';
import { Task } from './project.ts';
import { Signature } from './serving.ts';
import { FeatureLayout } from './trainer.ts';

/**
 * `train` and `validation` are feature parts as `FeatureLayout` describes them; `holdout` and
 * `reference` hold raw rows with the dataset's own columns (`reference`: a sample of the training
 * rows, at most 50,000, which monitoring compares with).
 */
export const PreparedManifest = z.object({
  task: Task,
  key: z.string(),
  time: z.string(),
  label: z.string(),
  columns: z.array(Column),
  /** Raw named columns the model takes, and what it gives. */
  signature: Signature,
  layout: FeatureLayout,
  /** ONNX: raw inputs of the signature → `numeric` FLOAT[n, N], `categorical` INT64[n, C]. */
  transform: Artifact,
  train: z.array(Part),
  validation: z.array(Part),
  holdout: z.array(Part),
  reference: Part,
  rows: z.object({ train: z.int(), validation: z.int(), holdout: z.int() }),
  /** What was fitted on the training rows, per feature, for the card and for people. */
  fitted: z.record(z.string(), z.record(z.string(), z.unknown())),
});
export type PreparedManifest = z.infer<typeof PreparedManifest>;
