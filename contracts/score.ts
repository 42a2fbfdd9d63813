/**
 * Batch scoring: rows of files through one version, into one Parquet file a part.
 *
 * The output place holds the truth. `_plan.json` is created first and says whose it is: which version, which inputs,
 * which parts. Parts are created once each. `_manifest.json` comes last: where it is, all is there.
 */
import { z } from 'zod';
import { Artifact, ModelName, Person, Sha256 } from './artifact.ts';

const Place = z.string().min(1).max(4_096);
const ColumnName = z.string().min(1).max(128);

/** What a client asks for. The version is pinned here: a slot that moves later changes nothing. */
export const ScoreRequest = z.object({
  /** `score/<model>/<digest of the output place>`: also the workflow id, so that two runs never share an output. */
  scoreId: z.string().regex(/^score\/[a-z][a-z0-9-]{0,62}\/[0-9a-f]{12}$/),
  model: ModelName,
  version: z.int().positive(),
  package: Artifact,
  /** An absolute path of a file or a folder, or a pattern with `*`, `**`; or `s3://bucket/prefix`. */
  input: Place,
  /** `file:///folder` or `s3://bucket/prefix`. */
  output: Place,
  /** Columns of the input that the output keeps; all of them, if absent. */
  keep: z.array(ColumnName).max(2_000).optional(),
  /** Of CSV files: a comma, or a tab in .tsv files, if absent. */
  delimiter: z.string().length(1).optional(),
  /** Whether what another scoring wrote to the output is deleted first. */
  overwrite: z.boolean().default(false),
  /** Processes at once; as many as the worker has cores, if absent. */
  parallel: z.int().min(1).max(64).optional(),
  by: Person,
});
export type ScoreRequest = z.infer<typeof ScoreRequest>;

/** An input file as it was read. `name` is relative to the asked place, so that a copy elsewhere is the same input. */
export const ScoreInput = z.object({
  name: z.string(),
  bytes: z.int().nonnegative(),
  sha256: Sha256,
  rows: z.int().nonnegative(),
});

/** Rows `from` to `from + rows` of an input, and the output file that they become. */
export const ScorePart = z.object({
  name: z.string(),
  /** Index into the inputs. */
  input: z.int().nonnegative(),
  from: z.int().nonnegative(),
  rows: z.int().nonnegative(),
});
export type ScorePart = z.infer<typeof ScorePart>;

/** `_plan.json` in the output place: equal when a run is asked for once more. Without times and places. */
export const ScoreClaim = z.object({
  model: ModelName,
  version: z.int().positive(),
  package: Sha256,
  onnx: Sha256,
  keep: z.array(z.string()).nullable(),
  inputs: z.array(ScoreInput),
  parts: z.array(ScorePart),
});
export type ScoreClaim = z.infer<typeof ScoreClaim>;

/** Where the rows of an input really lie: a Parquet file as it is, or the Parquet that a CSV was read into. */
export const ScoreSource = z.object({
  /** A local path; absent for what is fetched first. */
  path: z.string().optional(),
  /** A key of the input's own S3 place, or of our store. */
  key: z.string().optional(),
  in: z.enum(['file', 's3', 'store']),
  /** Of a local file, to notice that it was changed meanwhile. */
  bytes: z.int(),
  modifiedMs: z.number().optional(),
});
export type ScoreSource = z.infer<typeof ScoreSource>;

/** The whole plan, in the store: what the batches are done by. */
export const ScorePlan = z.object({
  claim: ScoreClaim,
  /** Of the claim's bytes; every part bears it. */
  digest: Sha256,
  sources: z.array(ScoreSource),
  /** Parts `from` to `until`, one process each. */
  batches: z.array(z.object({ from: z.int(), until: z.int() })),
});
export type ScorePlan = z.infer<typeof ScorePlan>;

export const ScoreOutcome = z.object({
  output: z.string(),
  model: ModelName,
  version: z.int(),
  rows: z.int(),
  parts: z.int(),
  /** Parts that were there already. */
  found: z.int(),
  /** Rows for which the model gave no finite number: their output is null. */
  rowsWithoutPrediction: z.int(),
  manifest: Sha256,
});
export type ScoreOutcome = z.infer<typeof ScoreOutcome>;

/** What a workflow knows of a plan. `outcome`: it was whole before. */
export interface ScorePlanned {
  plan: Artifact;
  digest: string;
  rows: number;
  parts: number;
  batches: number;
  parallel: number;
  outcome?: ScoreOutcome;
}

export interface ScoreBatchDone {
  rows: number;
  parts: number;
  found: number;
}

/** What the `score` query answers. */
export interface ScoreProgress {
  scoreId: string;
  request: ScoreRequest;
  state: 'reading' | 'scoring' | 'closing' | 'done';
  rows: number;
  of: number;
  parts: number;
  ofParts: number;
}

export interface ScoreBatchInput {
  request: ScoreRequest;
  plan: Artifact;
  batch: number;
}

/** One output file as it is. */
export const ScoredPart = ScorePart.extend({
  bytes: z.int(),
  sha256: Sha256,
  rowsWithoutPrediction: z.int().nonnegative(),
});
export type ScoredPart = z.infer<typeof ScoredPart>;

/** `_manifest.json`: written last. */
export const ScoreManifest = z.object({
  model: ModelName,
  version: z.int(),
  package: Sha256,
  onnx: Sha256,
  /** Of `_plan.json`. */
  plan: Sha256,
  keep: z.array(z.string()).nullable(),
  /** Columns that the model added, as SQL types. */
  outputs: z.array(z.object({ name: z.string(), type: z.string() })),
  rows: z.int(),
  rowsWithoutPrediction: z.int(),
  inputs: z.array(ScoreInput),
  parts: z.array(ScoredPart),
});
export type ScoreManifest = z.infer<typeof ScoreManifest>;

export interface ScoreActivities {
  /** Reads and checks all inputs, and claims the output. @throws `BadRows`, `OutputTaken`, `UnreadableSource`, `MissingColumn` */
  planScore(request: ScoreRequest): Promise<ScorePlanned>;
  /** Writes the parts of one batch that are not there. */
  scoreBatch(input: ScoreBatchInput): Promise<ScoreBatchDone>;
  /** Writes the manifest, once every part is there. */
  closeScore(input: { request: ScoreRequest; planned: ScorePlanned }): Promise<ScoreOutcome>;
  /** Deletes what the run kept in our store. */
  tidyScore(input: { scoreId: string }): Promise<void>;
}
