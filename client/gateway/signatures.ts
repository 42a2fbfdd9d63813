/** Proofs over a body: what senders sign, or send along, and how it is checked. Comparisons take the same time for all. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { sha256 } from '../../infra/digest.ts';
import { Refusal } from '../../infra/refusal.ts';

/** Either way: what was signed earlier may have been heard by others, and clocks differ. */
export const replayWindowMs = 5 * 60_000;

type Check = (headers: IncomingHttpHeaders, body: Buffer, secret: string, now: number) => void;

/** Each throws Refusal 401 when the proof does not hold. */
export const signatures: Record<'standard-webhooks' | 'github' | 'gitlab', Check> = {
  /** @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
  'standard-webhooks'(headers, body, secret, now) {
    const id = needed(headers, 'webhook-id');
    const timestamp = needed(headers, 'webhook-timestamp');
    const given = needed(headers, 'webhook-signature').split(' ');
    if (!/^[0-9]{1,12}$/.test(timestamp) || Math.abs(now - Number(timestamp) * 1_000) > replayWindowMs)
      throw new Refusal(401, `webhook-timestamp is more than ${replayWindowMs / 60_000} minutes from now`);
    const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : secret;
    const right = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64');
    if (!given.some((one) => same(one, `v1,${right}`))) throw unsigned('webhook-signature');
  },
  /** @see https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries */
  github(headers, body, secret) {
    const right = createHmac('sha256', secret).update(body).digest('hex');
    if (!same(needed(headers, 'x-hub-signature-256'), `sha256=${right}`))
      throw unsigned('x-hub-signature-256');
  },
  gitlab(headers, _body, secret) {
    if (!same(needed(headers, 'x-gitlab-token'), secret)) throw unsigned('x-gitlab-token');
  },
};

function needed(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new Refusal(401, `the header ${name} is missing; this caller proves itself by it`);
}

const unsigned = (header: string): Refusal => new Refusal(401, `${header} does not hold`);

/** Of digests, so that neither length tells anything. */
function same(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(sha256(a)), Buffer.from(sha256(b)));
}
