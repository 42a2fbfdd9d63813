/**
 * `runs/<lifecycleId>/<stage>/lease.json`: which attempt of a stage may write, by a sequence that only grows.
 *
 * An attempt takes the next number when it starts. What it writes later bears that number, and the resource
 * refuses a number below the one it has seen: so an attempt that was thought dead (a stopped machine, a lost
 * network) may finish its work, but not its effect. Temporal's own `attempt` will not do, for a reset begins
 * it again at 1. The server's own time of scheduling orders attempts, for a stopped worker may have been given one
 * that it only begins when a later one is done. Nobody waits for a lease, so none has to be given back.
 *
 * @see Kleppmann, "How to do distributed locking" (2016), on fencing tokens
 */
import { Context } from '@temporalio/activity';
import { z } from 'zod';
import { Instant } from '../contracts/artifact.ts';
import type { Stage } from '../contracts/lifecycle.ts';
import { readJson, swapJson } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';

export const LeaseRecord = z.object({
  seq: z.int().positive(),
  /** Run, activity and attempt, for people. */
  holder: z.string(),
  /** When the server scheduled the attempt. */
  scheduledAt: Instant,
  at: Instant,
});

export interface Lease {
  seq: number;
  holder: string;
}

/** Where an attempt's records lie below its run: a stage, or `search/<trial>`. */
export type Place = Stage | `search/${number}`;

export const leaseKey = (lifecycleId: string, place: Place): string =>
  `runs/${lifecycleId}/${place}/lease.json`;

/** @throws Error when a later attempt took it before, or another at the same moment */
export async function takeLease(store: Store, lifecycleId: string, place: Place): Promise<Lease> {
  const { workflowExecution, activityId, attempt, currentAttemptScheduledTimestampMs } =
    Context.current().info;
  const holder = `${workflowExecution?.runId ?? 'local'}/${activityId}/${attempt}`;
  const scheduledAt = new Date(currentAttemptScheduledTimestampMs).toISOString();
  const key = leaseKey(lifecycleId, place);
  const last = await readJson(store, key, LeaseRecord);
  const seq = (last?.value.seq ?? 0) + 1;
  if (last && last.value.scheduledAt > scheduledAt) throw late(key, holder, seq, last.value.seq);
  const record = { seq, holder, scheduledAt, at: new Date().toISOString() };
  const taken = await swapJson(store, key, record, last?.etag);
  if (!taken) throw new Error(`${key} was taken by another attempt at the same moment`);
  return { seq, holder };
}

/** For the resource: refuses a writer with a lower number than the last one's, and says so in the log. */
export function refuseLate(what: string, { seq, holder }: Lease, last: number | undefined): void {
  if (last !== undefined && last > seq) throw late(what, holder, seq, last);
}

/** A plain Error: the attempt is lost, and whoever took over goes on. */
export function late(what: string, holder: string, seq: number, last?: number): Error {
  const by = last === undefined ? 'another attempt' : `lease ${last}`;
  Context.current().log.warn('a late writer was refused', { what, holder, seq, last });
  return new Error(`${what}: too late, ${by} has taken over from ${holder} (lease ${seq})`);
}
