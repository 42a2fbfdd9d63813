/** `runs/<lifecycleId>/<stage>/record.json`: what a stage did, so that anybody can check it later. */
import { Context } from '@temporalio/activity';
import { z } from 'zod';
import { Artifact, Instant, LifecycleId } from '../contracts/artifact.ts';
import { parse } from '../contracts/failures.ts';
import { stages } from '../contracts/lifecycle.ts';
import type { Input, Output, Stage } from '../contracts/lifecycle.ts';
import { failpoint } from '../infra/failpoint.ts';
import { readJson, swapJson } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';
import { late, refuseLate, takeLease } from './lease.ts';
import type { Lease } from './lease.ts';
import { reused } from './reuse.ts';
import type { OriginOf } from './reuse.ts';

export const StageRecord = z.object({
  stage: z.string(),
  lifecycleId: LifecycleId,
  attempt: z.int(),
  /** Of the lease that its attempt had; absent before 0.2.0. */
  seq: z.int().positive().optional(),
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

/** What a stage made, and what the record says of it. */
export interface Made<S extends Stage> {
  output: Output<S>;
  inputs: StageRecord['inputs'];
  details: StageRecord['details'];
}

/**
 * The frame of every stage: parses its input, takes the lease, and files what `work` made as its record.
 *
 * @param originOf what the result follows from, for stages whose results may be used again
 * @throws Error when a later attempt has taken over
 */
export async function recorded<S extends Stage>(
  store: Store,
  stage: S,
  unparsed: unknown,
  work: (input: Input<S>, lease: Lease) => Promise<Made<S>>,
  originOf?: OriginOf<S>,
): Promise<Output<S>> {
  const startedAt = new Date();
  const input = parse(stages[stage].input, unparsed) as Input<S>;
  const { lifecycleId } = input;
  const lease = await takeLease(store, lifecycleId, stage);
  await failpoint(`${stage}:leased`);
  const act = () => work(input, lease);
  const made = originOf ? await reused(store, stage, input, lease, originOf, act) : await act();
  await failpoint(`${stage}:made`);
  const endedAt = new Date();
  await writeRecord(store, lease, {
    ...{ stage, lifecycleId, input, ...made },
    attempt: Context.current().info.attempt,
    seq: lease.seq,
    startedAt: startedAt.toISOString(),
    endedAt: endedAt.toISOString(),
    seconds: (endedAt.getTime() - startedAt.getTime()) / 1_000,
    runtime: { node: process.version, platform: `${process.platform}-${process.arch}` },
  });
  await failpoint(`${stage}:recorded`);
  return made.output;
}

/** The last attempt's record stands: a reset lifecycle runs a stage again, and what follows uses that output. */
async function writeRecord(store: Store, lease: Lease, record: StageRecord): Promise<void> {
  const key = recordKey(record.lifecycleId, record.stage as Stage);
  const before = await readJson(store, key, StageRecord);
  refuseLate(key, lease, before?.value.seq);
  const written = await swapJson(store, key, record, before?.etag);
  if (!written) throw late(key, lease.holder, lease.seq);
}
