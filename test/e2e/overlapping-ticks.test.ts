/** One window looked at by its Schedule, by hand and by a backfill at once: one record, one alert, one message, one trigger. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { openAlerts } from '../../client/alerts.ts';
import { startBackfill } from '../../client/backfill.ts';
import { LedgerEntry } from '../../contracts/model.ts';
import { TickRecord } from '../../contracts/monitor.ts';
import { monitorScheduleId } from '../../contracts/search.ts';
import { describe } from '../../infra/temporal.ts';
import { readJson } from '../../infra/store/json.ts';
import { openBelt } from '../support/belt.ts';
import type { Belt } from '../support/belt.ts';
import { openReceiver } from '../support/receiver.ts';
import type { Receiver } from '../support/receiver.ts';
import { january } from '../support/stage.ts';
import { until } from '../support/until.ts';

let belt: Belt;
let receiver: Receiver;
before(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  [belt, receiver] = await Promise.all([openBelt(), openReceiver()]);
});
after(async () => {
  await belt.close();
  await receiver.close();
});

const hourMs = 3_600_000;

test('whoever looks, and however many at once, it is one look', { timeout: 600_000 }, async () => {
  const { esteira } = belt;
  const folder = await belt.project('watched', {
    monitor: { every: '1h' },
    alerts: { sinks: [{ to: 'webhook', url: receiver.url }] },
    retrain: { rules: [{ on: 'every', period: '12h' }], cooldown: '3h' },
  });
  await esteira.outcome(await belt.start(folder));
  const schedule = esteira.client.schedule.getHandle(monitorScheduleId('watched'));
  const windows = [24, 25, 26].map((hours) => {
    const end = Date.parse(january.until) + hours * hourMs;
    return { from: new Date(end - hourMs).toISOString(), until: new Date(end).toISOString() };
  });
  for (const window of windows) {
    // Its starts are spread over five minutes.
    const [start, end] = [-1_000, 301_000].map((ms) => new Date(Date.parse(window.until) + ms));
    const [, byHand, again, backfilled] = await Promise.all([
      schedule.backfill({ start: start!, end: end!, overlap: 'ALLOW_ALL' }),
      esteira.tick('watched', window),
      esteira.tick('watched', window),
      startBackfill(esteira, 'watched', { ...window, parallel: 4 }),
    ]);
    assert.equal(byHand.tick.window.until, window.until);
    assert.deepEqual(again.tick, byHand.tick);
    await esteira.client.workflow.getHandle(backfilled).result();
    await until(async () => (await scheduled(window.until)) === 'COMPLETED');
    await until(async () => (await esteira.describe('watched'))?.inFlight === null);
  }
  const ids: string[] = [];
  for await (const { key } of esteira.store.list('events/watched/')) {
    const { trigger, disposition } = (await readJson(esteira.store, key, LedgerEntry))!.value;
    if (trigger.kind === 'manual') continue;
    ids.push(trigger.at);
    assert.notEqual(disposition.status, 'duplicate');
  }
  assert.deepEqual(ids, [...new Set(ids)], 'one trigger a window');
  assert(ids.includes(windows[0]!.until), 'the rule fired');
  const lifecycles: string[] = [];
  for await (const { workflowId } of esteira.client.workflow.list({ query: "WorkflowType = 'lifecycle'" }))
    lifecycles.push(workflowId);
  assert.equal(lifecycles.length, 2, 'the first window started one, and the others are too soon after it');
  for (const { until: end } of windows) {
    const key = `monitor/watched/${end.replaceAll(/[:.]/g, '-')}.json`;
    const record = (await readJson(esteira.store, key, TickRecord))!.value;
    assert.deepEqual([record.window.until, record.rows], [end, 0]);
  }
  const open = await openAlerts(esteira.store, 'watched');
  assert.deepEqual(
    open.map(({ key, count }) => [key, count]),
    [['silence', 3]],
    'opened once, and each window counted once',
  );
  await until(() => receiver.got.length > 0);
  const told = receiver.got.map((one) => JSON.stringify(one.json()));
  assert.equal(told.length, 1, told.join('\n'));
});

/** @returns the status of the Schedule's own run for this window */
async function scheduled(end: string): Promise<string | undefined> {
  const workflowId = `${monitorScheduleId('watched')}-${end.replace('.000', '')}`;
  return (await describe(belt.esteira.client, workflowId))?.status.name;
}
