/**
 * Monitor: one window of the prediction log against the version's reference, and the quality of the
 * window whose labels should have come by now. Files a tick record; the same tick files it once.
 */
import type { MonitorActivities } from '../../contracts/activities.ts';
import { Window } from '../../contracts/artifact.ts';
import { parse } from '../../contracts/failures.ts';
import { TickRecord } from '../../contracts/monitor.ts';
import type { TickSummary } from '../../contracts/monitor.ts';
import { durationMs } from '../../contracts/artifact.ts';
import { PinnedProject } from '../../contracts/project.ts';
import type { Project } from '../../contracts/project.ts';
import { Package, Slots } from '../../contracts/serving.ts';
import { failpoint } from '../../infra/failpoint.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { createJson, putJsonBlob, readJson, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { compactLog } from './compact.ts';
import { driftOf } from './drift.ts';
import { openLog } from './log.ts';
import { qualityOf } from './quality.ts';
import { alertsOf, judgedOf } from './alerts.ts';
import { withEngine } from '../engine.ts';
import type { EngineDeps } from '../engine.ts';

export interface MonitorDeps extends EngineDeps {
  store: Store;
  /** POSTs JSON. @throws a plain Error when the receiver does not answer 2xx, so that it is tried again. */
  post(url: string, body: unknown): Promise<void>;
  log: { warn(about: object, message: string): void };
}

export function createMonitor(deps: MonitorDeps): MonitorActivities {
  return {
    async monitor(input) {
      const window = parse(Window, input.window);
      const seen = await withEngine(deps, 'monitor', (db) => look(deps.store, db, input.model, window));
      await failpoint('monitor:looked');
      const tick = window.until.replaceAll(/[:.]/g, '-');
      // The first look stands, also for what follows from it: rows may have come between two tries.
      const key = `monitor/${input.model}/${tick}.json`;
      const filed = (await createJson(deps.store, key, seen))
        ? undefined
        : await readJson(deps.store, key, TickRecord);
      const record = filed?.value ?? seen;
      await failpoint('monitor:filed');
      return summaryOf(record, tick, await putJsonBlob(deps.store, record));
    },
    async compact({ model, before }) {
      return withEngine(deps, 'monitor', (db, folder) =>
        compactLog(deps.store, db, folder, { model, before }),
      );
    },
    async notify({ model, tick }) {
      for (const alert of tick.alerts) deps.log.warn({ model, tick: tick.tick, ...alert }, alert.message);
      const champion = await championOf(deps.store, model);
      const webhook = champion?.project.monitor.webhook;
      if (webhook) await deps.post(webhook, { model, window: tick.window, alerts: tick.alerts });
      await failpoint('monitor:notified');
    },
  };
}

/** The serving version with everything that was packed with it, or undefined when nothing serves. */
export async function championOf(
  store: Store,
  model: string,
): Promise<{ version: number; made: Package; project: Project; pinned: PinnedProject } | undefined> {
  const slots = await readJson(store, `models/${model}/current.json`, Slots);
  const champion = slots?.value.champion;
  if (!champion) return undefined;
  const made = await readJsonBlob(store, champion.package, Package);
  const pinned = await readJsonBlob(store, made.project, PinnedProject);
  return { version: champion.version, made, project: pinned.project, pinned };
}

async function look(store: Store, db: DuckDb, model: string, window: Window): Promise<TickRecord> {
  const champion = await championOf(store, model);
  const empty = { model, window, version: null, rows: 0, byVersion: {}, drift: [], quality: null };
  if (!champion) return { ...empty, ...silence(`${model} serves no version`) };
  const { version, made, project } = champion;

  const delay = durationMs(project.monitor.labelDelay);
  const earlier = {
    from: new Date(Date.parse(window.from) - delay).toISOString(),
    until: new Date(Date.parse(window.until) - delay).toISOString(),
  };
  const log = await openLog(store, db, model, { from: earlier.from, until: window.until });
  if (!log) return { ...empty, version, ...silence(`no predictions of ${model} were logged`) };
  const { rows, byVersion } = await log.count(window);
  const drift = rows > 0 ? await driftOf(db, log, window, made) : [];
  const quality = await qualityOf(db, log, earlier, version, made);
  const record = { model, window, version, rows, byVersion, drift, quality };
  const judged = judgedOf(record, project);
  return parse(TickRecord, { ...record, alerts: alertsOf(record, made, project), judged });
}

const silence = (message: string): Pick<TickRecord, 'alerts' | 'judged'> => ({
  alerts: [{ kind: 'silence', key: 'silence', message }],
  judged: ['silence'],
});

function summaryOf(record: TickRecord, tick: string, artifact: TickSummary['record']): TickSummary {
  const scored = record.drift.flatMap(({ name, psi }) => (psi === null ? [] : [{ name, psi }]));
  const [worstPsi] = scored.toSorted((a, b) => b.psi - a.psi);
  const { window, version, rows, alerts, judged } = record;
  return {
    record: artifact,
    tick,
    window,
    version,
    rows,
    worstPsi: worstPsi ?? null,
    alerts: alerts.slice(0, 100),
    // Whoever is told of some only cannot tell which of the others are over.
    ...(judged && { judged: alerts.length > 100 ? [] : judged }),
  };
}
