/** A message about alerts as a book would send it; a test changes what it is about. */
import type { AlertChange, BookAlert, Delivery, NamedSink } from '../../contracts/alerts.ts';

export function alert(change: Partial<BookAlert> = {}): BookAlert {
  return {
    ...{ id: 1, key: 'drift/x', kind: 'drift', severity: 'warning', peak: 'warning' },
    ...{ message: 'x has drifted: PSI 0.412, alert from 0.2', runbook: 'https://wiki.test/drift' },
    ...{ state: 'open', since: '2001-02-01T00:00:00.000Z', last: '2001-02-03T00:00:00.000Z' },
    ...{ count: 2, quiet: 0, reopened: 0, entries: 1, toldAt: null, snoozedUntil: null, closedAt: null },
    ...{ hushed: false, by: null, reason: null },
    ...change,
  };
}

export const opened = (change: Partial<BookAlert> = {}): AlertChange => ({
  change: 'opened',
  alert: alert(change),
});

export function delivery(sink: NamedSink, changes = [opened()], id = `delivery/m/t1/${sink.name}`): Delivery {
  return {
    ...{ id, model: 'm', owner: 'ana', sink, changes },
    at: '2001-02-03T01:00:00.000Z',
    window: { from: '2001-02-02T00:00:00.000Z', until: '2001-02-03T00:00:00.000Z' },
  };
}
