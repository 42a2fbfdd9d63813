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
import { canonicalJson, createJson, putJsonBlob, readJson, swapJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { isQuiet } from '../alerts/records.ts';
import { compactLog } from './compact.ts';
import { championOf, versionThen } from './champion.ts';
import type { Champion } from './champion.ts';
import { lookAt, tickKey, tickName } from './look.ts';
import { staleTicks } from './stale.ts';
import { noteTick } from '../standing.ts';
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
    async monitor({ model, window: asked, again = false }) {
      const window = parse(Window, asked);
      const key = tickKey(model, window);
      const filed = again ? await readJson(deps.store, key, TickRecord) : undefined;
      const serving = await championOf(deps.store, model);
      const seen = await look(deps, model, window, { serving, before: filed?.value });
      await failpoint('monitor:looked');
      const record = again ? await replaced(deps.store, key, seen) : await first(deps.store, key, seen);
      await failpoint('monitor:filed');
      await noteTick(deps.store, model, tickName(window), window.until);
      const summary = summaryOf(record, tickName(window), await putJsonBlob(deps.store, record));
      if (again)
        return { ...summary, changed: canonicalJson(record) !== canonicalJson(filed?.value ?? null) };
      return { ...summary, follows: await followsFrom(deps.store, serving, record) };
    },
    staleTicks: ({ model, window }) => staleTicks(deps.store, model, parse(Window, window)),
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

/** The first look stands, also for what follows from it: rows may have come between two tries. */
async function first(store: Store, key: string, seen: TickRecord): Promise<TickRecord> {
  if (await createJson(store, key, seen)) return seen;
  return (await readJson(store, key, TickRecord))?.value ?? seen;
}

async function replaced(store: Store, key: string, seen: TickRecord): Promise<TickRecord> {
  for (;;) {
    const there = await readJson(store, key, TickRecord);
    if ((await swapJson(store, key, seen, there?.etag)) !== undefined) return seen;
  }
}

/** @param before the record of an earlier look: it is about the version of then, and knows what the service has counted */
async function look(
  deps: MonitorDeps,
  model: string,
  window: Window,
  { serving, before }: { serving: Champion | undefined; before: TickRecord | undefined },
): Promise<TickRecord> {
  const then = before?.version;
  const champion = serving && then ? await versionThen(deps.store, serving, then) : serving;
  if (champion) {
    return lookAt(deps.store, champion, window, {
      counted: before?.service,
      withEngine: (use) => withEngine(deps, 'monitor', use),
    });
  }
  const nothing = { version: null, rows: 0, byVersion: {}, drift: [], quality: null };
  return { model, window, ...nothing, ...silence(`${model} serves no version`) };
}

const silence = (message: string): Pick<TickRecord, 'alerts' | 'judged'> => ({
  alerts: [{ kind: 'silence', key: 'silence', message }],
  judged: ['silence'],
});

/** So that a quiet tick of a model without rules, as most are, ends here. */
async function followsFrom(store: Store, serving: Champion | undefined, { model, alerts }: TickRecord) {
  const rules = (serving?.project.retrain.rules.length ?? 0) > 0;
  return { rules, news: alerts.length > 0 || !(await isQuiet(store, model)) };
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
    // Whoever is told of some only cannot tell which of the others are over.
    ...(judged && { judged: alerts.length > 100 ? [] : judged }),
  };
}
