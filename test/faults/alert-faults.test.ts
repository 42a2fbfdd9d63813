/** An error at every place where alerts can be cut short: nothing is lost, nothing is told or counted twice. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createAlerts } from '../../activities/alerts/index.ts';
import { alertsWorkflowId } from '../../contracts/search.ts';
import { failpoints } from '../../infra/faults.ts';
import { armFailpoints } from '../../infra/failpoint.ts';
import { drift, openAlerted } from '../support/alerted.ts';
import type { Alerted } from '../support/alerted.ts';
import { until } from '../support/until.ts';

let town: Alerted;
before(
  async () => (town = await openAlerted({ sinks: [{ to: 'webhook', url: 'RECEIVER/' }, { to: 'log' }] })),
);
after(() => town.close());

/** Every message by its id, with what it told: one id may come twice, and says the same then. */
function told(): string[] {
  const byId = new Map<string, string>();
  for (const { headers, body } of town.receiver.got.splice(0)) {
    const id = String(headers['webhook-id']);
    assert.equal(byId.get(id) ?? body, body, `${id} said two things`);
    byId.set(id, body);
  }
  return [...byId.values()].flatMap((body) => {
    const { alerts, closed } = JSON.parse(body) as Record<string, { change: string; key: string }[]>;
    return [...alerts!, ...closed!].map(({ change, key }) => `${change} ${key}`);
  });
}

const points = failpoints.filter((point) => point.startsWith('alerts:'));
points.forEach((point, i) => {
  const column = point.replace('alerts:', '');
  const [first, second] = [2 * i + 1, 2 * i + 2];
  test(`${point}, twice in a row`, () =>
    town.withWorker(async () => {
      armFailpoints(`${point}:throw@1,${point}:throw@2`);
      await town.tick(first, [drift(column)]);
      await town.quiet();
      await town.tick(second);
      await town.quiet();
      armFailpoints(undefined);
      assert.deepEqual(told(), [`opened drift/${column}`, `closed drift/${column}`]);
      const { count, history, deliveries, state, id } = await town.record(`drift/${column}`);
      assert.deepEqual([id, count, state], [i + 1, 1, 'closed']);
      assert.deepEqual(
        history.map(({ n, what }) => `${n} ${what}`),
        ['1 opened', '2 closed'],
      );
      assert.deepEqual(
        deliveries.map((one) => `${one.change} ${one.state}`),
        ['opened delivered', 'closed delivered'],
      );
      assert.deepEqual(town.logged.splice(0), [
        `opened: ${column} has drifted`,
        'closed: not found in 1 tick',
      ]);
    }));
});

test('a book that is ended after it has written, and before it has told anybody, is told for by the next', () =>
  town.withWorker(
    async () => {
      await town.tick(15, [drift('cut')]);
      await town.quiet();
      assert.deepEqual(told(), ['opened drift/cut']);
      assert.equal((await town.record('drift/cut')).deliveries[0]!.state, 'delivered');
    },
    {
      async recordAlerts(writing) {
        const ahead = await createAlerts(town.deps).recordAlerts(writing);
        const handle = town.world.env.client.workflow.getHandle(alertsWorkflowId('m'));
        if (writing.alerts.some(({ entries }) => entries.length > 0)) await handle.terminate('a drill');
        return ahead;
      },
    },
  ));

test('a worker that goes while a receiver is down leaves it to the next', async () => {
  town.receiver.replies.push(...Array.from({ length: 3 }, () => ({ status: 503 })));
  await town.withWorker(async () => {
    await town.tick(20, [drift('cut'), drift('handed-on')]);
    await until(() => town.receiver.got.length > 0);
  });
  await town.withWorker(() => town.quiet());
  assert.deepEqual(told(), ['opened drift/handed-on']);
});

test('a store that is away for a while delays, and loses nothing', async () => {
  const { store } = town.bench;
  const { swap } = store;
  let failures = 3;
  store.swap = (...args) => (failures-- > 0 ? Promise.reject(new Error('away')) : swap.apply(store, args));
  await town.withWorker(async () => {
    await town.tick(21, [drift('cut'), drift('handed-on'), drift('waited')]);
    await town.quiet();
  });
  store.swap = swap;
  assert.deepEqual(told(), ['opened drift/waited']);
  assert.equal((await town.record('drift/waited')).deliveries[0]!.state, 'delivered');
});

test('replay: this code retells every run of this file', () => town.world.replayAll());
