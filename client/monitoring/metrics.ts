/**
 * What monitoring has found, in Prometheus' text format.
 *
 * A scrape gets what is at hand, and reads the store again only when that is older than `refreshMs`: so it costs the same
 * with 500 models, and however many ask. A store that is slow or away makes numbers old, and no scrape fail.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { family } from '../../infra/exposition.ts';
import type { Store } from '../../infra/store/store.ts';
import { monitoringFamilies } from './families.ts';
import { Standings } from './standing.ts';

export const refreshMsUsual = 60_000;

export interface MetricsOptions {
  refreshMs?: number;
  /** Told what could not be read. */
  onFault?(error: unknown): void;
}

/** Prometheus gives a scrape ten seconds. */
const scrapeMs = 2_000;

/** @returns the text; the first time when all was read, later in two seconds at most */
export function monitoringMetrics(
  store: Store,
  { refreshMs = refreshMsUsual, onFault = () => {} }: MetricsOptions = {},
): () => Promise<string> {
  const standings = new Standings(store, onFault);
  let text: string | undefined;
  let readAt = -Infinity;
  let reading: Promise<void> | undefined;

  async function read(): Promise<void> {
    const began = Date.now();
    await standings.refresh(began);
    text = textOf(standings, began, Date.now() - began);
    readAt = began;
  }

  return async () => {
    if (Date.now() - readAt >= refreshMs) reading ??= read().finally(() => (reading = undefined));
    if (text === undefined) await reading;
    else if (reading) await Promise.race([reading.catch(() => undefined), delay(scrapeMs)]);
    return text!;
  };
}

function textOf(standings: Standings, began: number, tookMs: number): string {
  const models = standings.all;
  const own = (name: string, type: 'gauge' | 'counter', help: string, value: number) =>
    family(`esteira_monitoring_${name}`, type, help, [['', value]]);
  return [
    ...monitoringFamilies(models),
    ...own('models', 'gauge', 'Models that the store has', models.length),
    ...own('read_timestamp_seconds', 'gauge', 'When these numbers were read from the store', began / 1_000),
    ...own('read_seconds', 'gauge', 'How long that took', tookMs / 1_000),
    ...own(
      'read_faults_total',
      'counter',
      'Objects that could not be read; theirs are old numbers',
      standings.faults,
    ),
    '',
  ].join('\n');
}
