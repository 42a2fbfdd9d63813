/**
 * Standard Webhooks: what is posted, and how it is signed.
 *
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
import { createHmac } from 'node:crypto';
import type { AlertChange, Delivery } from '../../contracts/alerts.ts';

/** `model`, `window` and `alerts` stand where `monitor.webhook` had them before 0.5.0; what is over is beside them. */
export function webhookBody({ model, owner, at, window, changes }: Delivery): string {
  const [over, on] = [changes.filter(isOver), changes.filter((change) => !isOver(change))];
  return JSON.stringify({
    ...{ type: 'alerts.changed', timestamp: at, model, owner, window },
    ...{ alerts: on.map(shown), closed: over.map(shown) },
  });
}

const isOver = ({ change }: AlertChange): boolean => change === 'closed';

function shown({ change, was, alert }: AlertChange): object {
  const { id, key, kind, severity, state, message, runbook, since, last, count, by, reason } = alert;
  return {
    ...{ change, was, id, key, kind, severity, state, message, runbook },
    ...{ since, last, count, by: by ?? undefined, reason: reason ?? undefined },
  };
}

/** @param secrets each `whsec_` and base64; none, and it goes unsigned. @param now in ms, of this try */
export function signed(
  id: string,
  body: string,
  secrets: readonly string[],
  now: number,
): Record<string, string> {
  const timestamp = String(Math.floor(now / 1_000));
  const signatures = secrets.map((secret) => {
    const digest = createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.${body}`);
    return `v1,${digest.digest('base64')}`;
  });
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    ...(signatures.length > 0 && { 'webhook-signature': signatures.join(' ') }),
  };
}

/** @throws a plain Error, and tells nothing of the secret */
function keyOf(secret: string): Buffer {
  const key = Buffer.from(secret.trim().replace(/^whsec_/, ''), 'base64');
  if (secret.trim().startsWith('whsec_') && key.length >= 24 && key.length <= 64) return key;
  throw new Error('the secret of a webhook must be whsec_ and 24 to 64 bytes in base64');
}
