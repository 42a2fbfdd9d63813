/** A model that was trained elsewhere: its file as it came, how it is to be read, and where it comes from. */
import { z } from 'zod';
import { Artifact, Instant, Person, Sha256 } from './artifact.ts';

export const ImportOrigin = z.object({
  /** As the person named it; on their machine. */
  file: z.string().max(4_096),
  sha256: Sha256,
  bytes: z.int().nonnegative(),
  by: Person,
  at: Instant,
  /** Who wrote the file, as it says itself: `skl2onnx 1.17`. */
  producer: z.string().max(200),
  /** Of the `MLmodel` file beside it. */
  mlflow: z
    .object({
      runId: z.string().max(200).nullable(),
      modelUuid: z.string().max(200).nullable(),
      version: z.string().max(200).nullable(),
      created: z.string().max(200).nullable(),
      flavors: z.array(z.string().max(200)).max(50),
    })
    .optional(),
});
export type ImportOrigin = z.infer<typeof ImportOrigin>;

export const Imported = z.object({
  /** The file as it came. */
  model: Artifact,
  /** The columns of its matrix, in order; those of the rows, if absent. */
  columns: z.array(z.string().min(1).max(128)).max(5_000).optional(),
  /** Which of its outputs counts; found by its shape, if absent. */
  output: z.string().max(200).optional(),
  origin: ImportOrigin,
});
export type Imported = z.infer<typeof Imported>;
