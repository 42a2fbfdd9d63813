/** One try to hand a message to a receiver, by what the receiver is. */
import { ApplicationFailure } from '@temporalio/common';
import type { Delivery, NamedSink } from '../../contracts/alerts.ts';
import { permanent } from '../../contracts/failures.ts';
import type { OutgoingMail } from '../../infra/mail.ts';
import type { Store } from '../../infra/store/store.ts';
import { alertmanagerBody } from './alertmanager.ts';
import { mailOf } from './email.ts';
import { slackBody } from './slack.ts';
import { signed, webhookBody } from './webhook.ts';

export interface SendDeps {
  store: Store;
  outgoing: {
    /** POSTs JSON, follows no redirect, goes to no link-local address. @throws a plain Error when nobody answers in time */
    post(url: URL, body: string, headers: Record<string, string>): Promise<Answer>;
    /** @param server `smtp://…`, with whatever it takes to be let in. @throws as the server says it */
    mail(server: string, mail: OutgoingMail): Promise<string>;
    /** @returns undefined where nobody has set it */
    secret(name: string): Promise<string | undefined>;
  };
}

export interface Answer {
  status: number;
  /** The header of that name. */
  retryAfter: string | undefined;
  /** Its beginning. */
  text: string;
}

type Send = (deps: SendDeps, delivery: Delivery) => Promise<string>;
type Addressed = NamedSink & { url?: string | undefined; urlSecret?: string | undefined };

/**
 * Answers that no other try would change. Of a webhook only 410: the standard has senders try all others again, for
 * people mend receivers. Slack's are about the hook itself, Alertmanager's about what it was sent.
 *
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, "Delivery success and failure"
 * @see https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, "Handling errors"
 */
const refusals: Record<'webhook' | 'slack' | 'alertmanager', readonly number[]> = {
  webhook: [410],
  slack: [400, 403, 404, 410],
  alertmanager: [400],
};
/** A receiver may ask for more patience than this, and is asked all the same. */
const patienceMs = 6 * 3_600_000;

export const sendTo: Record<NamedSink['to'], Send> = {
  log: () => Promise.resolve('logged'),
  async webhook(deps, delivery) {
    const { sink } = delivery;
    const names = 'secret' in sink && sink.secret !== undefined ? [sink.secret].flat() : [];
    const secrets = await Promise.all(names.map((name) => secretOf(deps, name)));
    const body = webhookBody(delivery);
    return post(deps, delivery, 'webhook', '', body, signed(delivery.id, body, secrets, Date.now()));
  },
  slack: (deps, delivery) => post(deps, delivery, 'slack', '', slackBody(delivery)),
  async alertmanager(deps, delivery) {
    const body = await alertmanagerBody(deps.store, delivery, Date.now());
    return post(deps, delivery, 'alertmanager', '/api/v2/alerts', body);
  },
  async email(deps, delivery) {
    const { sink } = delivery;
    if (sink.to !== 'email') throw new Error(`${sink.name} is no sink for mail`);
    const server = await secretOf(deps, sink.server);
    try {
      return await deps.outgoing.mail(server, mailOf(delivery, sink));
    } catch (error) {
      // 5yz is a server's "never"; but a wrong password (535) is one that people mend.
      const { responseCode: code, response } = error as { responseCode?: number; response?: string };
      if (code === undefined || code < 500 || code === 530 || code === 535) throw error;
      throw refused(sink, response ?? String(code));
    }
  },
};

async function post(
  deps: SendDeps,
  { sink }: Delivery,
  kind: keyof typeof refusals,
  path: string,
  body: string,
  headers: Record<string, string> = {},
): Promise<string> {
  const url = await addressOf(deps, sink, path);
  const { status, retryAfter, text } = await deps.outgoing.post(url, body, headers);
  // The way to a receiver may be its secret, and some tell it in their answers.
  const said = text.replaceAll(`${url.pathname}${url.search}`, '…').replaceAll(/\s+/g, ' ').trim();
  const answer = `${status}${said && ` ${said.slice(0, 200)}`}`;
  if (status >= 200 && status < 300) return answer;
  if (refusals[kind].includes(status)) throw refused(sink, answer);
  const nextRetryDelay = delayOf(retryAfter, Date.now());
  throw ApplicationFailure.create({
    message: `${sink.name} (${url.host}) answered ${answer}`,
    type: 'NotDelivered',
    ...(nextRetryDelay !== undefined && { nextRetryDelay }),
  });
}

const refused = (sink: NamedSink, answer: string) =>
  permanent('DeliveryRefused', `${sink.name} answered ${answer}`, { sink: sink.name, answer });

async function addressOf(deps: SendDeps, sink: Addressed, path: string): Promise<URL> {
  const { url, urlSecret } = sink;
  const text = url ?? (await secretOf(deps, urlSecret!));
  if (!URL.canParse(text))
    throw new Error(`the secret ${urlSecret} is no address; give http://… or https://…`);
  const address = new URL(text);
  if (path) address.pathname = `${address.pathname.replace(/\/+$/, '')}${path}`;
  return address;
}

/** @throws a plain Error, which is tried again: secrets are set late */
async function secretOf({ outgoing }: SendDeps, name: string): Promise<string> {
  const secret = await outgoing.secret(name);
  if (secret !== undefined) return secret;
  const variable = `ESTEIRA_SECRET_${name.toUpperCase()}`;
  throw new Error(`the secret ${name} is not set; give the worker ${variable}, or ${variable}_FILE`);
}

/** `Date.parse` takes nearly any number for one. */
const dateOf = (text: string): number => (/^[A-Z][a-z]{2}/.test(text) ? Date.parse(text) : Number.NaN);

/** `Retry-After`: seconds, or a date. @returns ms, undefined where there is none or it says nothing */
export function delayOf(retryAfter: string | undefined, now: number): number | undefined {
  if (retryAfter === undefined) return undefined;
  const ms = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1_000 : dateOf(retryAfter) - now;
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, patienceMs) : undefined;
}
