/**
 * The words every contract shares: stored bytes, shares, times, names.
 *
 * Only references to data travel through Temporal (an `Artifact`), never the data: one payload holds
 * 2 MiB, a dataset does not. This folder imports zod and Temporal's error classes, nothing else.
 */
import { z } from 'zod';

/** A digest in lower-case hex. */
export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits');

/** Stored bytes, named by their content. `uri` is a key relative to the store, so a store can move. */
export const Artifact = z.object({
  uri: z.string().min(1).max(512),
  sha256: Sha256,
  bytes: z.int().nonnegative(),
  mediaType: z.string().min(1).max(100),
});
export type Artifact = z.infer<typeof Artifact>;

/** A share or a probability: a number from 0 to 1, both included. */
export const Ratio = z.number().min(0).max(1);

/** A moment, UTC, ISO 8601: `2001-01-31T00:00:00.000Z`. */
export const Instant = z.iso.datetime();

/** A half-open window of event time: `from` is in it, `until` is not. */
export const Window = z.object({ from: Instant, until: Instant });
export type Window = z.infer<typeof Window>;

/** `45s`, `10m`, `6h`, `7d`, `2w`. */
export const Duration = z
  .string()
  .regex(/^[1-9][0-9]*(ms|s|m|h|d|w)$/, 'must be a whole number and a unit: 500ms, 45s, 10m, 6h, 7d or 2w');

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** @returns milliseconds. @param text a valid `Duration`. */
export function durationMs(text: string): number {
  const unit = text.replace(/^[0-9]+/, '') as keyof typeof unitMs;
  return Number.parseInt(text, 10) * unitMs[unit];
}

/** A model's name: short, lower case, safe in ids, paths and metric labels. */
export const ModelName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/, 'must be lower-case letters, digits and dashes, starting with a letter');

/** `lifecycle/<model>/<n>`: also the workflow id. `reproduce/<model>/<ms>` is the scratch area of a reproduction. */
export const LifecycleId = z.string().regex(/^(lifecycle|reproduce)\/[a-z][a-z0-9-]{0,62}\/[1-9][0-9]*$/);

/** A person as they sign: not a proof of identity until approvals are signed. */
export const Person = z.string().min(1).max(100);

export const Reason = z.string().min(1).max(2_000);

export const ColumnName = z.string().min(1).max(128);
