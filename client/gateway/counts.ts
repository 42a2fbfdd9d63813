/** What an operator asks first: how much came, what became of it, what waits. */
import { statusOf } from './answers.ts';

const reasons = new Map([
  [400, 'invalid'],
  [401, 'unauthenticated'],
  [403, 'forbidden'],
  [404, 'not-found'],
  [405, 'method'],
  [408, 'timeout'],
  [409, 'conflict'],
  [413, 'too-large'],
  [415, 'media-type'],
  [429, 'overload'],
  [503, 'unavailable'],
]);

export class Counts {
  readonly accepted = { events: 0, labels: 0, rows: 0 };
  duplicates = 0;
  /** From zero: a counter that begins at its first count has no rate when it is looked at first. */
  readonly refused = new Map([...reasons.values(), 'failed'].map((reason) => [reason, 0]));

  /** @returns the status to answer with */
  refuse(error: unknown): number {
    const status = statusOf(error);
    const reason = reasons.get(status) ?? (status >= 500 ? 'failed' : 'invalid');
    this.refused.set(reason, this.refused.get(reason)! + 1);
    return status;
  }
}

export interface Gauges {
  /** Events that no model was told of yet. */
  waiting: number;
  oldestWaitingSeconds: number;
  /** In the ledger, ever. */
  ledgerEvents: number;
  /** Not written yet. */
  queued: number;
}

/** @see https://prometheus.io/docs/instrumenting/exposition_formats/ */
export function metricsText({ accepted, duplicates, refused }: Counts, gauges: Gauges): string {
  const lines = [
    ...family('accepted_total', 'counter', 'Durably taken, by what it was.'),
    ...Object.entries(accepted).map(([what, n]) => `esteira_gateway_accepted_total{what="${what}"} ${n}`),
    ...family('duplicates_total', 'counter', 'Events and pushes that had come before.'),
    `esteira_gateway_duplicates_total ${duplicates}`,
    ...family('refused_total', 'counter', 'Requests that were answered with a no, by reason.'),
    ...[...refused].map(([reason, n]) => `esteira_gateway_refused_total{reason="${reason}"} ${n}`),
    ...family('waiting_events', 'gauge', 'Events without a disposition: a model is to be told of them.'),
    `esteira_gateway_waiting_events ${gauges.waiting}`,
    ...family('oldest_waiting_seconds', 'gauge', 'Since when the oldest of them waits.'),
    `esteira_gateway_oldest_waiting_seconds ${gauges.oldestWaitingSeconds}`,
    ...family('ledger_events', 'gauge', 'Events in the ledger, as far as this gateway has read.'),
    `esteira_gateway_ledger_events ${gauges.ledgerEvents}`,
    ...family('queued_events', 'gauge', 'Events that are being written.'),
    `esteira_gateway_queued_events ${gauges.queued}`,
  ];
  return `${lines.join('\n')}\n`;
}

function family(name: string, type: string, help: string): string[] {
  return [`# HELP esteira_gateway_${name} ${help}`, `# TYPE esteira_gateway_${name} ${type}`];
}
