/** Standard Webhooks: signatures that others have published, and what each answer is taken for. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import { createAlerts } from '../../../activities/alerts/index.ts';
import { delayOf } from '../../../activities/alerts/send.ts';
import { signed } from '../../../activities/alerts/webhook.ts';
import type { NamedSink } from '../../../contracts/alerts.ts';
import { postTo } from '../../../infra/outgoing.ts';
import { delivery, opened } from '../../support/alert-delivery.ts';
import { openReceiver } from '../../support/receiver.ts';
import type { Receiver } from '../../support/receiver.ts';
import { openBench } from '../../support/stage.ts';
import type { Bench } from '../../support/stage.ts';

let bench: Bench;
let receiver: Receiver;
const secrets: Record<string, string> = {
  pager: `whsec_${Buffer.alloc(32, 1).toString('base64')}`,
  old: `whsec_${Buffer.alloc(24, 2).toString('base64')}`,
  weak: 'whsec_c2hvcnQ=',
};
before(async () => ([bench, receiver] = await Promise.all([openBench(), openReceiver()])));
beforeEach(() => void receiver.got.splice(0));
after(() => Promise.all([bench.close(), receiver.close()]));

const send = (sink: NamedSink, changes?: Parameters<typeof delivery>[1]) => {
  const outgoing = {
    ...{ post: postTo, mail: () => assert.fail() },
    secret: (name: string) => Promise.resolve(secrets[name]),
  };
  const { deliver } = createAlerts({
    ...bench.deps,
    books: { update: () => assert.fail(), start: () => assert.fail() },
    outgoing,
  });
  return bench.run(deliver, delivery(sink, changes));
};
const hook = (change: object = {}): NamedSink => ({
  ...{ to: 'webhook', name: 'hook', severity: 'info', url: `${receiver.url}/hook` },
  ...change,
});

/** @see https://docs.svix.com/receiving/verifying-payloads/how-manual, whose scheme became the standard */
test('the signature is the one that the standard’s own libraries expect', () => {
  const headers = signed(
    'msg_p5jXN8AQM9LWM0D4loKWxJek',
    '{"test": 2432232314}',
    ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
    1_614_265_330_000,
  );
  assert.deepEqual(headers, {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
});

test('a message bears what is on and what is over, and a signature for each secret', async () => {
  const over = { ...opened({ id: 2, key: 'silence', kind: 'silence' }), change: 'closed' as const };
  await send(hook({ secret: ['pager', 'old'] }), [opened(), over]);
  const [{ headers, json, path }] = receiver.got as [Receiver['got'][number]];
  const { type, timestamp, model, window, alerts, closed } = json();
  assert.deepEqual(
    [path, type, timestamp, model],
    ['/hook', 'alerts.changed', '2001-02-03T01:00:00.000Z', 'm'],
  );
  assert.equal(window.until, '2001-02-03T00:00:00.000Z');
  const { change, kind, key, severity, message, runbook, count } = alerts[0];
  assert.deepEqual([change, kind, key, severity, count], ['opened', 'drift', 'drift/x', 'warning', 2]);
  assert.match(`${message} ${runbook}`, /^x has drifted: PSI 0.412.* https:\/\/wiki.test\/drift$/);
  assert.deepEqual([closed.length, closed[0].key], [1, 'silence']);
  assert.match(String(headers['webhook-signature']), /^v1,\S{44} v1,\S{44}$/);
  assert.equal(headers['webhook-id'], 'delivery/m/t1/hook');
  assert(Math.abs(Number(headers['webhook-timestamp']) - Date.now() / 1_000) < 5);
});

test('without a secret it goes unsigned', async () => {
  await send(hook());
  assert.equal(receiver.got[0]!.headers['webhook-signature'], undefined);
});

test('the way to a receiver may be a secret, and no error tells it', async () => {
  secrets['way'] = `${receiver.url}/T0/B0/very-secret`;
  receiver.replies.push({ status: 500, text: 'POST /T0/B0/very-secret failed' });
  await assert.rejects(send(hook({ url: undefined, urlSecret: 'way' })), (error: Error) => {
    assert.match(error.message, /^hook \(127.0.0.1:\d+\) answered 500 POST … failed$/);
    return true;
  });
});

const answers: [number, 'again' | 'never'][] = [
  ...([301, 302, 400, 401, 403, 404, 409, 429, 500, 502, 503, 504] as const).map(
    (status) => [status, 'again'] as [number, 'again'],
  ),
  [410, 'never'],
];
for (const [status, then] of answers) {
  test(`${status} of a webhook: ${then}`, async () => {
    receiver.replies.push({ status, headers: status < 400 ? { location: `${receiver.url}/elsewhere` } : {} });
    await assert.rejects(send(hook()), (error) => {
      assert(error instanceof ApplicationFailure);
      assert.equal(error.nonRetryable ?? false, then === 'never');
      return true;
    });
    assert.equal(receiver.got.length, 1, 'no redirect is followed');
  });
}

test('Retry-After: seconds or a date, and not for ever', async () => {
  const now = Date.parse('2001-02-01T00:00:00Z');
  assert.equal(delayOf('120', now), 120_000);
  assert.equal(delayOf('Thu, 01 Feb 2001 00:01:00 GMT', now), 60_000);
  assert.equal(delayOf('999999999', now), 6 * 3_600_000);
  for (const nothing of [undefined, '', 'soon', '0', '-5', 'Thu, 01 Feb 2001 00:00:00 GMT'])
    assert.equal(delayOf(nothing, now), undefined);
  receiver.replies.push({ status: 503, headers: { 'retry-after': '7' } });
  await assert.rejects(send(hook()), (error) => {
    assert(error instanceof ApplicationFailure);
    assert.equal(error.nextRetryDelay, 7_000);
    return true;
  });
});

test('a secret that is not there, or is none, is said by name and without its value', async () => {
  const missing =
    /the secret gone is not set; give the worker ESTEIRA_SECRET_GONE, or ESTEIRA_SECRET_GONE_FILE/;
  await assert.rejects(send(hook({ secret: 'gone' })), missing);
  await assert.rejects(send(hook({ secret: 'weak' })), /must be whsec_ and 24 to 64 bytes in base64/);
  assert.equal(receiver.got.length, 0);
});

const slack = (): NamedSink => ({
  ...{ to: 'slack', name: 'slack', severity: 'info', url: `${receiver.url}/slack` },
});

test('Slack gets a text for notifications and blocks within its limits, with nothing it would take for markup', async () => {
  const many = Array.from({ length: 60 }, (_, i) =>
    opened({ id: i + 1, key: `drift/<${i}>`, message: '&'.repeat(490) }),
  );
  await send(slack(), many);
  const { text, blocks } = receiver.got[0]!.json() as {
    text: string;
    blocks: { type: string; text?: { text: string }; elements?: { text: string }[] }[];
  };
  assert.equal(text, 'm: 60 opened');
  assert(blocks.length <= 50, `${blocks.length} blocks`);
  const [head, ...rest] = blocks;
  assert(head!.type === 'header' && head!.text!.text.length <= 150);
  assert(rest.every(({ text: shown }) => (shown?.text.length ?? 0) <= 3_000));
  assert.match(rest[0]!.text!.text, /^\*opened\* warning `drift\/&lt;0&gt;`\n&amp;/);
  assert.match(rest.at(-1)!.elements![0]!.text, /40 more/);
});

test('Slack: what is wrong with the hook itself is for good', async () => {
  for (const status of [400, 403, 404, 410]) {
    receiver.replies.push({ status, text: 'no_service' });
    await assert.rejects(send(slack()), {
      nonRetryable: true,
      message: `slack answered ${status} no_service`,
    });
  }
  receiver.replies.push({ status: 429, headers: { 'retry-after': '30' } });
  await assert.rejects(send(slack()), { nextRetryDelay: 30_000 });
});
