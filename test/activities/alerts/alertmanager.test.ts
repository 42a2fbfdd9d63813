/** What Prometheus' own Alertmanager makes of what it is sent. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createAlerts } from '../../../activities/alerts/index.ts';
import type { AlertChange, BookAlert, NamedSink } from '../../../contracts/alerts.ts';
import { postTo } from '../../../infra/outgoing.ts';
import { createJson } from '../../../infra/store/json.ts';
import { alert, delivery } from '../../support/alert-delivery.ts';
import { startAlertmanager } from '../../support/alertmanager.ts';
import { openBench } from '../../support/stage.ts';
import type { Bench } from '../../support/stage.ts';

let bench: Bench;
let server: Awaited<ReturnType<typeof startAlertmanager>>;
before(async () => ([bench, server] = await Promise.all([openBench(), startAlertmanager()])));
after(async () => {
  await bench.close();
  if (typeof server !== 'string') await server.stop();
});

interface Seen {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  startsAt: string;
  endsAt: string;
}

const there = async (): Promise<Seen[]> => {
  assert(typeof server !== 'string');
  return (await fetch(`${server.url}/api/v2/alerts`)).json() as Promise<Seen[]>;
};
const send = async (changes: AlertChange[]) => {
  assert(typeof server !== 'string');
  const sink: NamedSink = { to: 'alertmanager', name: 'am', severity: 'info', url: server.url };
  const outgoing = { post: postTo, mail: () => assert.fail(), secret: () => assert.fail() };
  const { deliver } = createAlerts({
    ...bench.deps,
    books: { update: () => assert.fail(), start: () => assert.fail() },
    outgoing,
  });
  return bench.run(deliver, delivery(sink, changes));
};
const of = (change: AlertChange['change'], facts: Partial<BookAlert> = {}, was?: 'warning'): AlertChange => ({
  ...{ change, alert: alert(facts) },
  ...(was && { was }),
});

test('it fires while it is open, gets worse, and is over when it is closed; late messages raise nothing', async (t) => {
  if (typeof server === 'string') return t.skip(server);
  await send([of('opened')]);
  const [first, ...others] = await there();
  assert.deepEqual(others, []);
  assert.deepEqual(first!.labels, {
    ...{ alertname: 'EsteiraDrift', model: 'm', kind: 'drift', key: 'drift/x' },
    ...{ severity: 'warning', owner: 'ana' },
  });
  assert.equal(first!.annotations['runbook_url'], 'https://wiki.test/drift');
  assert.equal(first!.annotations['summary'], 'm: x has drifted: PSI 0.412, alert from 0.2');
  assert.equal(first!.startsAt, '2001-02-01T00:00:00.000Z');
  assert(Date.parse(first!.endsAt) > Date.now() + 29 * 86_400_000);

  await send([of('raised', { severity: 'critical', peak: 'critical' }, 'warning')]);
  assert.deepEqual(
    (await there()).map(({ labels }) => labels['severity']),
    ['critical'],
  );

  const closed = alert({ severity: 'critical', peak: 'critical', state: 'closed' });
  await createJson(bench.store, 'alerts/m/1.json', {
    ...{ ...closed, model: 'm', owner: 'ana', revision: 9, history: [], deliveries: [] },
  });
  await send([of('closed', { severity: 'critical', peak: 'critical', state: 'closed' })]);
  assert.deepEqual(await there(), []);
  await send([of('opened', { severity: 'critical', peak: 'critical' })]);
  assert.deepEqual(await there(), [], 'one that was held up on its way');
  return undefined;
});
