/** `runs/<lifecycleId>/<stage>/record.json`: what a stage did, so that anybody can check it later. */
import { z } from 'zod';
import { Artifact, Instant, LifecycleId } from '../contracts/artifact.ts';
import type { Stage } from '../contracts/lifecycle.ts';
import { readJson, swapJson } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';

export const StageRecord = z.object({
  stage: z.string(),
  lifecycleId: LifecycleId,
  attempt: z.int(),
  startedAt: Instant,
  endedAt: Instant,
  seconds: z.number(),
  /** The activity's whole input and output, as Temporal carried them. */
  input: z.unknown(),
  output: z.unknown(),
  /** Digests of the artifacts that went in, by name. */
  inputs: z.record(z.string(), Artifact),
  runtime: z.record(z.string(), z.string()),
  details: z.record(z.string(), z.unknown()),
});
export type StageRecord = z.infer<typeof StageRecord>;

export const recordKey = (lifecycleId: string, stage: Stage): string =>
  `runs/${lifecycleId}/${stage}/record.json`;

/** What the caller knows; the rest is filled in here. */
export type Done = Pick<
  StageRecord,
  'lifecycleId' | 'attempt' | 'input' | 'output' | 'inputs' | 'details'
> & {
  stage: Stage;
  startedAt: Date;
};

/**
 * The last attempt's record stands: a reset lifecycle runs a stage again, and what follows uses that output.
 *
 * @throws Error when another attempt wrote at the same moment
 */
export async function writeRecord(store: Store, { startedAt, ...done }: Done): Promise<void> {
  const endedAt = new Date();
  const record: StageRecord = {
    ...done,
    startedAt: startedAt.toISOString(),
    endedAt: endedAt.toISOString(),
    seconds: (endedAt.getTime() - startedAt.getTime()) / 1_000,
    runtime: { node: process.version, platform: `${process.platform}-${process.arch}` },
  };
  const key = recordKey(done.lifecycleId, done.stage);
  const before = await readJson(store, key, StageRecord);
  const written = await swapJson(store, key, record, before?.etag);
  if (!written) throw new Error(`${key} was written by another attempt at the same moment`);
}
