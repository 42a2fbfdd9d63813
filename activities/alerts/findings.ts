/** A tick's alerts as its model's project wants them told: how severe each is, what to do about it, and to whom. */
import { alertsAtMost } from '../../contracts/alerts.ts';
import type { BookSettings, Finding, NamedSink } from '../../contracts/alerts.ts';
import type { AlertSettings } from '../../contracts/alert-settings.ts';
import { durationMs } from '../../contracts/artifact.ts';
import type { Alert, AlertKind, Severity } from '../../contracts/alert.ts';
import type { Project } from '../../contracts/project.ts';

/** Harm that is done, before harm that may come, before what is worth a look. */
const usual: Record<AlertKind, Severity> = {
  ...{ quality: 'critical', service: 'critical', fairness: 'critical' },
  ...{ drift: 'warning', prediction: 'warning', concept: 'warning', data: 'warning', silence: 'warning' },
  retrain: 'warning',
  forecast: 'info',
};

/** @param settings absent where no version serves. One key is told once, as it was found first. */
export function findingsOf(alerts: readonly Alert[], settings?: AlertSettings): Finding[] {
  const found = new Map<string, Finding>();
  for (const { kind, key = kind, message, severity } of alerts) {
    if (found.has(key)) continue;
    const own = settings?.severity[key] ?? settings?.severity[kind] ?? severity ?? usual[kind];
    const runbook = settings?.runbook
      ?.replaceAll('{kind}', encodeURIComponent(kind))
      .replaceAll('{key}', encodeURIComponent(key));
    found.set(key, {
      ...{ key, kind, severity: own, message: message.slice(0, 500) },
      ...(runbook !== undefined && { runbook }),
    });
  }
  return [...found.values()].slice(0, alertsAtMost);
}

export function settingsOf({ owner, monitor, alerts }: Project): BookSettings {
  const { webhook } = monitor;
  return {
    owner: alerts.owner ?? owner,
    remindMs: durationMs(alerts.remind),
    quietTicks: alerts.quietTicks,
    reopenWithinMs: durationMs(alerts.reopenWithin),
    sinks: named([...alerts.sinks, ...(webhook ? [plainWebhook(webhook)] : [])]),
  };
}

const plainWebhook = (url: string) =>
  ({ to: 'webhook', url, name: 'monitor-webhook', severity: 'info' }) as const;

/** `slack`, `slack-2`. Names that were given are as they were given. */
function named(sinks: AlertSettings['sinks']): NamedSink[] {
  const taken = new Set(sinks.flatMap(({ name }) => name ?? []));
  return sinks.map((sink) => {
    const { name, to } = sink;
    if (name !== undefined) return { ...sink, name };
    let free: string = to;
    for (let n = 2; taken.has(free); n++) free = `${to}-${n}`;
    taken.add(free);
    return { ...sink, name: free };
  });
}
