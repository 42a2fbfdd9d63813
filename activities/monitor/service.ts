/** How the service did in a window: traffic and times by the log, errors by what replicas have counted. */
import type { Window } from '../../contracts/artifact.ts';
import type { Service } from '../../contracts/monitor.ts';
import { ReplicaStatus } from '../../contracts/serving.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import type { PredictionLog } from './log.ts';

type Counters = Service['counters'];

export type Times = Pick<Service, 'latencyMs' | 'queueMs'>;
export const noTimes: Times = { latencyMs: null, queueMs: null };

export interface Counted {
  now: Counters;
  /** Of the tick before: counters have no past, so a window long over shows no errors. */
  before: Counters;
}

export function serviceOf(rows: number, window: Window, times: Times, { now, before }: Counted): Service {
  const minutes = (Date.parse(window.until) - Date.parse(window.from)) / 60_000;
  let [requests, errors] = [0, 0];
  for (const [replica, current] of Object.entries(now)) {
    const then = before[replica] ?? { requests: 0, errors: 0 };
    // Less than before: another process bears its name.
    const fresh = current.requests < then.requests ? { requests: 0, errors: 0 } : then;
    requests += current.requests - fresh.requests;
    errors += Math.max(0, current.errors - fresh.errors);
  }
  return { rows, rowsPerMinute: rows / minutes, ...times, requests, errors, counters: now };
}

/** Logs of before 0.4.0 have no time in the queue: what there is is looked at. */
export async function timesOf(db: DuckDb, log: PredictionLog, window: Window): Promise<Times> {
  const [found] = await db.rows<{ ms?: number[] | null; queueMs?: number[] | null; rows: number }>(
    `SELECT count(*) AS rows, quantile_cont(COLUMNS('^(ms|queueMs)$'), [0.5, 0.95, 0.99]) FROM predictions WHERE ${log.within(window)}`,
  );
  const { ms = null, queueMs = null } = found!;
  return {
    latencyMs: ms && { p50: ms[0]!, p95: ms[1]!, p99: ms[2]! },
    queueMs: queueMs && { p50: queueMs[0]!, p99: queueMs[2]! },
  };
}

/** Of all replicas that serve the model; those of one that has gone are gone with it. */
export async function countersOf(store: Store, model: string): Promise<Counters> {
  const counters: Counters = {};
  for await (const { key } of store.list('replicas/')) {
    const status = (await readJson(store, key, ReplicaStatus))?.value;
    for (const { version, requests, errors } of status?.models[model]?.counters ?? [])
      counters[`${status!.replica}/${status!.instance ?? status!.startedAt}/${version}`] = {
        requests,
        errors,
      };
  }
  return counters;
}
