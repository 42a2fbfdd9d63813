/** One look at one window: everything a tick's record says, from the store alone. */
import { Context } from '@temporalio/activity';
import type { Window } from '../../contracts/artifact.ts';
import { Scorecard } from '../../contracts/evaluation.ts';
import { parse } from '../../contracts/failures.ts';
import { TickRecord } from '../../contracts/monitor.ts';
import type { Service } from '../../contracts/monitor.ts';
import { durationMs } from '../../contracts/artifact.ts';
import { Watch } from '../../contracts/watch.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { putJsonBlob, readJson, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { alertsOf, judgedOf } from './alerts.ts';
import type { Champion } from './champion.ts';
import { compareWindow } from './compare-window.ts';
import { driftOf } from './drift.ts';
import { windowsAtMost } from './forecast.ts';
import { liveChecks } from './live-checks.ts';
import { findLog, openLog } from './log.ts';
import type { PredictionLog } from './log.ts';
import { outlookOf } from './outlook.ts';
import { estimatedNow, estimatorOf, qualityOf } from './quality.ts';
import { countersOf, noTimes, serviceOf, timesOf } from './service.ts';

export interface LookOptions {
  /** What the service had counted, of a window that is looked at again: counters have no past. */
  counted: Service | undefined;
  withEngine<T>(use: (db: DuckDb) => Promise<T>): Promise<T>;
}

export async function lookAt(
  store: Store,
  champion: Champion,
  window: Window,
  { counted, withEngine }: LookOptions,
): Promise<TickRecord> {
  const { model, version, made, project } = champion;
  const files = await findLog(store, model, [earlier(window, project), window]);
  // A model that nobody asks costs next to nothing.
  const { times, ...seen } =
    files.predictions.length > 0
      ? await withEngine(async (db) => judged(store, db, await openLog(db, files), { champion, window }))
      : { rows: 0, byVersion: {}, drift: [], quality: null, times: noTimes };
  const [last] = await ticksBefore(store, model, window, 1);
  const service = serviceOf(seen.rows, window, times, {
    now: counted?.counters ?? (await countersOf(store, model)),
    before: last?.service?.counters ?? {},
  });
  const past = seen.quality ? await ticksBefore(store, model, window, windowsAtMost) : [];
  const record = {
    ...{ model, window, version, ...seen },
    service: counted ? { ...service, requests: counted.requests, errors: counted.errors } : service,
    forecasts: outlookOf({ quality: seen.quality, version }, past, project),
  };
  const alerts = alertsOf(record, made, project);
  return parse(TickRecord, { ...record, alerts, judged: judgedOf(record, project) });
}

interface Asked {
  champion: Champion;
  window: Window;
}

async function judged(store: Store, db: DuckDb, log: PredictionLog, { champion, window }: Asked) {
  const { rows, byVersion } = await log.count(window);
  const { version, made, project } = champion;
  const watch = made.watch && (await readJsonBlob(store, made.watch, Watch));
  const scorecard = watch && (await readJsonBlob(store, made.scorecard, Scorecard));
  const estimator = scorecard && estimatorOf(watch, scorecard);
  const asked = { version, made, project, estimator };
  const beat = (doing: string) => Context.current().heartbeat({ doing });
  beat('quality');
  const quality = await qualityOf(db, log, earlier(window, project), asked);
  const times = rows > 0 ? await timesOf(db, log, window) : noTimes;
  const about = { rows, byVersion, quality, times };
  if (rows === 0) return { ...about, drift: [] };
  const estimate = await estimatedNow(db, log, window, asked);
  beat('drift');
  const { signature } = made;
  const compared = watch && (await compareWindow(db, log, window, { watch, signature, version, project }));
  const drift = compared?.drift ?? (await driftOf(db, log, window, made));
  beat('checks');
  await db.lock(log.files);
  const checks = await liveChecks(db, log, window, { signature, project, rows });
  const details = compared && (await putJsonBlob(store, compared.details));
  const usualFrom = watch?.natural.windows;
  return { ...about, drift, estimate, checks, ...(details && { details, usualFrom: usualFrom ?? 0 }) };
}

/** Whose labels should have come by now. */
function earlier({ from, until }: Window, { monitor }: Champion['project']): Window {
  const delay = durationMs(monitor.labelDelay);
  const back = (moment: string) => new Date(Date.parse(moment) - delay).toISOString();
  return { from: back(from), until: back(until) };
}

/** The records of ticks before this one, newest first, as far as they are one window apart. */
async function ticksBefore(store: Store, model: string, window: Window, many: number): Promise<TickRecord[]> {
  const until = Date.parse(window.until);
  const everyMs = until - Date.parse(window.from);
  const keys = Array.from({ length: many }, (_, i) =>
    tickKey(model, { ...window, until: new Date(until - (i + 1) * everyMs).toISOString() }),
  );
  const records = await Promise.all(keys.map((key) => readJson(store, key, TickRecord)));
  return records.flatMap((record) => record?.value ?? []);
}

/** @see TickRecord */
export const tickName = ({ until }: Window): string => until.replaceAll(/[:.]/g, '-');
export const tickKey = (model: string, window: Window): string => `monitor/${model}/${tickName(window)}.json`;
