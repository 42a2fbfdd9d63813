/**
 * Alerts as Prometheus' Alertmanager takes them: not what happened, but how things stand. So a message that comes late
 * says how they stand by then, and what is closed stays closed.
 *
 * @see https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml, postableAlerts
 */
import { AlertRecord } from '../../contracts/alerts.ts';
import type { AlertChange, BookAlert, Delivery } from '../../contracts/alerts.ts';
import { readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import type { Severity } from '../../contracts/alert.ts';

/** Until it is closed; each tick says it again. A monitor that is gone for a month has nothing to say any more. */
const firingMs = 30 * 86_400_000;

export async function alertmanagerBody(store: Store, delivery: Delivery, now: number): Promise<string> {
  const posted = [];
  for (const { alert, was } of delivery.changes) {
    const key = `alerts/${delivery.model}/${alert.id}.json`;
    const current: BookAlert = (await readJson(store, key, AlertRecord))?.value ?? alert;
    // The severity is a label, and another label is another alert: the former is over.
    if (was !== undefined && was !== current.peak)
      posted.push(one(delivery, current, { severity: was, endsAt: now }));
    const endsAt = current.state === 'closed' ? now : now + firingMs;
    posted.push(one(delivery, current, { severity: current.peak, endsAt }));
  }
  return JSON.stringify(posted);
}

function one(
  { model, owner }: Delivery,
  { key, kind, id, message, since, count, runbook }: AlertChange['alert'],
  { severity, endsAt }: { severity: Severity; endsAt: number },
): object {
  // One of a backfill may have begun after it ends by the clock.
  const startsAt = Math.min(Date.parse(since), endsAt - 1);
  return {
    labels: {
      alertname: `Esteira${kind[0]!.toUpperCase()}${kind.slice(1)}`,
      model,
      kind,
      key,
      severity,
      owner,
    },
    annotations: {
      summary: `${model}: ${message}`,
      description: `Alert ${id} of ${model}, found in ${count} tick${count === 1 ? '' : 's'} since ${since}.`,
      ...(runbook !== undefined && { runbook_url: runbook }),
    },
    startsAt: new Date(startsAt).toISOString(),
    endsAt: new Date(endsAt).toISOString(),
  };
}
