/** What ingest makes and every later stage reads: immutable Parquet parts under a manifest. */
import { z } from 'zod';
import { Artifact, Instant, Sha256, Window } from './artifact.ts';

/**
 * The types a column may have. `number` is DOUBLE, `integer` BIGINT, `string` VARCHAR, `boolean`
 * BOOLEAN, `timestamp` TIMESTAMP (UTC, microseconds).
 */
export const ColumnType = z.enum(['number', 'integer', 'string', 'boolean', 'timestamp']);
export type ColumnType = z.infer<typeof ColumnType>;

export const Column = z.object({ name: z.string().min(1).max(128), type: ColumnType });
export type Column = z.infer<typeof Column>;

/** One Parquet file of at most about 128 thousand rows. */
export const Part = z.object({ artifact: Artifact, rows: z.int().positive() });
export type Part = z.infer<typeof Part>;

/** A source file as it was read. `bytes` and `sha256` are of the whole file. */
export const SourceFile = z.object({
  source: z.string(),
  uri: z.string(),
  sha256: Sha256,
  bytes: z.int().nonnegative(),
});

/** `datasets/<name>/<digest>.json`: everything about a dataset version but its rows. */
export const DatasetManifest = z.object({
  name: z.string(),
  columns: z.array(Column).min(1).max(2_000),
  key: z.string(),
  time: z.string(),
  label: z.string(),
  rows: z.int().positive(),
  window: Window,
  /** First and last event time really seen; `last` is the watermark for the next ingest. */
  first: Instant,
  last: Instant,
  parts: z.array(Part).min(1),
  sources: z.array(SourceFile),
  queryDigest: Sha256,
});
export type DatasetManifest = z.infer<typeof DatasetManifest>;

/** A dataset version as it travels: `digest` is the SHA-256 of its manifest. */
export const Dataset = z.object({
  name: z.string(),
  digest: Sha256,
  manifest: Artifact,
  rows: z.int().positive(),
});
export type Dataset = z.infer<typeof Dataset>;

/** One column's profile, from one pass. Numbers are absent where the type has none. */
export const ColumnProfile = z.object({
  name: z.string(),
  type: ColumnType,
  rows: z.int(),
  nulls: z.int(),
  distinct: z.int(),
  min: z.number().optional(),
  max: z.number().optional(),
  mean: z.number().optional(),
  std: z.number().optional(),
  /** At 0, 0.1, …, 1: eleven values. */
  deciles: z.array(z.number()).optional(),
  /** Equal-width counts from `min` to `max`. */
  histogram: z.array(z.int()).optional(),
  /** The most frequent values, most frequent first, at most 50. */
  top: z.array(z.object({ value: z.string(), count: z.int() })).optional(),
});
export type ColumnProfile = z.infer<typeof ColumnProfile>;

export const Profile = z.object({ rows: z.int(), columns: z.array(ColumnProfile) });
export type Profile = z.infer<typeof Profile>;
