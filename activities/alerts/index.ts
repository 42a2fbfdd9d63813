/**
 * Alerts: tells a model's book what a tick found, files what the book decides, and carries its messages to receivers.
 *
 * Only `deliver` touches the outside, one try a call; a second try bears the same id, and says nothing else.
 */
import { Delivery, Findings } from '../../contracts/alerts.ts';
import type { AlertActivities, AlertUpdates } from '../../contracts/alerts.ts';
import { parse } from '../../contracts/failures.ts';
import { failpoint } from '../../infra/failpoint.ts';
import type { Store } from '../../infra/store/store.ts';
import { championOf } from '../monitor/champion.ts';
import { findingsOf, settingsOf } from './findings.ts';
import { isQuiet, pendingDeliveries, readBook, settleDelivery, writeBook } from './records.ts';
import { sendTo } from './send.ts';
import type { SendDeps } from './send.ts';

export interface AlertDeps extends SendDeps {
  store: Store;
  log: { warn(about: object, message: string): void };
  books: {
    /** Sends an update to the model's book and waits, not for long. The same `updateId` again gets the same answer. */
    update<K extends keyof AlertUpdates>(
      model: string,
      name: K,
      message: AlertUpdates[K][0],
      updateId: string,
    ): Promise<AlertUpdates[K][1]>;
    /** Starts the message's workflow. @returns whether it was not there before */
    start(delivery: Delivery): Promise<boolean>;
  };
}

export function createAlerts(deps: AlertDeps): AlertActivities {
  const { store, log } = deps;
  return {
    async tellAlerts({ model, tick }) {
      if (tick.alerts.length === 0 && (await isQuiet(store, model))) return { opened: 0, closed: 0, open: 0 };
      const champion = await championOf(store, model);
      const told = parse(Findings, {
        ...{ tick: tick.tick, window: tick.window, judged: tick.judged ?? [] },
        findings: findingsOf(tick.alerts, champion?.project.alerts),
        ...(champion && { settings: settingsOf(champion.project) }),
      });
      const answer = await deps.books.update(model, 'observe', told, `observe/${tick.tick}`);
      await failpoint('alerts:told');
      return answer;
    },
    recallAlerts: ({ model }) => readBook(store, model),
    async recordAlerts(writing) {
      const { model, settings } = writing.book;
      const isLogged = !settings || settings.sinks.some(({ to }) => to === 'log');
      const written = await writeBook(store, writing);
      if ('ahead' in written) return written.ahead;
      for (const { alert, entries } of isLogged ? written.lines : []) {
        const about = { model, alert: alert.id, key: alert.key, severity: alert.severity };
        for (const { what, by, detail } of entries) log.warn({ ...about, by }, `${what}: ${detail}`);
      }
      await failpoint('alerts:recorded');
      return null;
    },
    async resumeDeliveries({ model }) {
      let started = 0;
      for (const one of await pendingDeliveries(store, model)) if (await deps.books.start(one)) started++;
      return started;
    },
    async deliver(input) {
      const delivery = parse(Delivery, input);
      const answer = await sendTo[delivery.sink.to](deps, delivery);
      await failpoint('alerts:sent');
      return { answer };
    },
    async recordDelivery({ delivery, state, detail }) {
      await settleDelivery(store, delivery, { state, detail });
      await failpoint('alerts:noted');
    },
  };
}
