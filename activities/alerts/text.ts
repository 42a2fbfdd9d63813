/** Changes in words, for people who read them in a chat or a mail. */
import type { AlertChange, Delivery } from '../../contracts/alerts.ts';
import { Severity } from '../../contracts/alert.ts';

/** More in one message are not read; the rest is a number. */
export const shownAtMost = 20;

/** `flights: price has drifted…`, or `flights: 2 opened, 1 closed`. */
export function headline({ model, changes }: Delivery): string {
  const [first] = changes;
  if (changes.length === 1) return `${model}: ${first!.change}: ${first!.alert.message}`;
  const counts = new Map<string, number>();
  for (const { change } of changes) counts.set(change, (counts.get(change) ?? 0) + 1);
  return `${model}: ${[...counts].map(([change, count]) => `${count} ${change}`).join(', ')}`;
}

export function worst(changes: readonly AlertChange[]): Severity {
  return Severity.options.findLast((one) => changes.some(({ alert }) => alert.severity === one))!;
}

/** `opened, warning, drift/price: price has drifted…`, then since when. */
export function sentence({ change, was, alert }: AlertChange): string {
  const { severity, key, message } = alert;
  return `${change}, ${was ? `${was} → ` : ''}${severity}, ${key}: ${message}`;
}

export function facts({ alert }: AlertChange): string {
  const { since, count, by, reason } = alert;
  const who = by === null ? '' : `; ${by}: ${reason}`;
  return `since ${since.slice(0, 16).replace('T', ' ')} UTC, in ${count} tick${count === 1 ? '' : 's'}${who}`;
}
