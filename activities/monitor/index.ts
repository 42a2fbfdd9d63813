/**
 * Monitor: one window of the prediction log against the version's reference, and the quality of the
 * window whose labels should have come by now. Files a tick record; the same tick files it once.
 */
import type { MonitorActivities } from '../../contracts/activities.ts';
import { Window } from '../../contracts/artifact.ts';
import { parse } from '../../contracts/failures.ts';
import { TickRecord } from '../../contracts/monitor.ts';
import type { TickSummary } from '../../contracts/monitor.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { createJson, putJsonBlob, readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { compactLog } from './compact.ts';
import { championOf } from './champion.ts';
import { lookAt, tickKey, tickName } from './look.ts';
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
      const seen = await look(deps, input.model, window);
      await failpoint('monitor:looked');
      // The first look stands, also for what follows from it: rows may have come between two tries.
      const key = tickKey(input.model, window);
      const filed = (await createJson(deps.store, key, seen))
        ? undefined
        : await readJson(deps.store, key, TickRecord);
      const record = filed?.value ?? seen;
      await failpoint('monitor:filed');
      return summaryOf(record, tickName(window), await putJsonBlob(deps.store, record));
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

async function look(deps: MonitorDeps, model: string, window: Window): Promise<TickRecord> {
  const champion = await championOf(deps.store, model);
  if (champion) return lookAt(deps.store, model, champion, window, (use) => withEngine(deps, 'monitor', use));
  const alert = { kind: 'silence', key: 'silence', message: `${model} serves no version` } as const;
  const nothing = { version: null, rows: 0, byVersion: {}, drift: [], quality: null };
  return { model, window, ...nothing, alerts: [alert], judged: ['silence'] };
}

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
    ...(judged && { judged }),
  };
}
