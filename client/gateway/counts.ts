/** What an operator asks first: how much came, what became of it, what waits. */
import { family, labels } from '../../infra/exposition.ts';
import type { Sample } from '../../infra/exposition.ts';
import { ReasonCounts } from '../../infra/reason-counts.ts';
import { statusOf } from './answers.ts';

export class Counts {
  readonly accepted = { events: 0, labels: 0, rows: 0 };
  duplicates = 0;
  readonly #reasons = new ReasonCounts([
    [408, 'timeout'],
    [409, 'conflict'],
  ]);

  get refused(): ReadonlyMap<string, number> {
    return this.#reasons.counts;
  }

  /** @returns the status to answer with */
  refuse(error: unknown): number {
    const status = statusOf(error);
    this.#reasons.add(status);
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

export function metricsText({ accepted, duplicates, refused }: Counts, gauges: Gauges): string {
  const { waiting, oldestWaitingSeconds, ledgerEvents, queued } = gauges;
  const named = (name: string) => `esteira_gateway_${name}`;
  const by = (label: string, counts: Iterable<[string, number]>) =>
    [...counts].map(([value, n]): Sample => [labels({ [label]: value }), n]);
  const one = (name: string, help: string, value: number, type: 'gauge' | 'counter' = 'gauge') =>
    family(named(name), type, help, [['', value]]);
  const many = (name: string, help: string, samples: Sample[]) =>
    family(named(name), 'counter', help, samples);
  const lines = [
    ...many('accepted_total', 'Durably taken, by what it was.', by('what', Object.entries(accepted))),
    ...one('duplicates_total', 'Events and pushes that had come before.', duplicates, 'counter'),
    ...many('refused_total', 'Requests that were answered with a no, by reason.', by('reason', refused)),
    ...one('waiting_events', 'Events without a disposition: a model is to be told of them.', waiting),
    ...one('oldest_waiting_seconds', 'Since when the oldest of them waits.', oldestWaitingSeconds),
    ...one('ledger_events', 'Events in the ledger, as far as this gateway has read.', ledgerEvents),
    ...one('queued_events', 'Events that are being written.', queued),
  ];
  return `${lines.join('\n')}\n`;
}
