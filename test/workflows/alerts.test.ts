/** Ticks, the book and its deliveries on a real server, a real store and a real receiver. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { WithStartWorkflowOperation } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { Findings } from '../../contracts/alerts.ts';
import { alertsWorkflowId, taskQueues } from '../../contracts/search.ts';
import { changeAlert } from '../../client/alerts.ts';
import type { Esteira } from '../../client/index.ts';
import { askAgain } from '../../infra/temporal.ts';
import { alerts } from '../../workflows/alerts.ts';
import { alertsQuery, observeUpdate } from '../../workflows/messages.ts';
import { drift, openAlerted } from '../support/alerted.ts';
import type { Alerted } from '../support/alerted.ts';
import { dayWindow } from '../support/served.ts';
import { artifact } from '../support/world.ts';
import { until } from '../support/until.ts';

const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
let town: Alerted;
before(async () => {
  town = await openAlerted(
    {
      owner: 'risk-desk',
      runbook: 'https://wiki.test/{kind}#{key}',
      severity: { 'drift/bad': 'critical', silence: 'info' },
      sinks: [
        { to: 'log' },
        { to: 'webhook', url: 'RECEIVER/all', secret: 'pager' },
        { to: 'webhook', url: 'RECEIVER/grave', severity: 'critical', name: 'grave' },
      ],
    },
    { webhook: 'RECEIVER/old' },
  );
  town.secrets['pager'] = secret;
});
after(() => town.close());

const say = (verb: Parameters<typeof changeAlert>[1], alert: number | string, until?: string) =>
  changeAlert({ client: town.world.env.client } as Esteira, verb, {
    ...{ model: 'm', alert, by: 'bob', reason: 'why not', ...(until !== undefined && { until }) },
  });
/** What came since the last look, by path: changes and what they are about. */
async function received(): Promise<Record<string, string[]>> {
  await town.quiet();
  const all: Record<string, string[]> = {};
  for (const { path, json } of town.receiver.got.splice(0)) {
    const { alerts: on, closed } = json() as Record<string, { change: string; key: string }[]>;
    (all[path] ??= []).push([...on!, ...closed!].map(({ change, key }) => `${change} ${key}`).join(', '));
  }
  return all;
}

test('what a tick finds is told once to each that wants it, and once more when it is over', () =>
  town.withWorker(async () => {
    await town.tick(1, [drift('x'), drift('bad'), { kind: 'silence', message: 'nobody asks' }]);
    assert.deepEqual(await received(), {
      '/all': ['opened drift/bad, opened drift/x, opened silence'],
      '/grave': ['opened drift/bad'],
      '/old': ['opened drift/bad, opened drift/x, opened silence'],
    });
    await town.tick(2, [drift('x'), drift('bad')]);
    assert.deepEqual(await received(), { '/all': ['closed silence'], '/old': ['closed silence'] });
    const { owner, runbook, count, history, deliveries, severity } = await town.record('drift/bad');
    assert.deepEqual([owner, runbook, count], ['risk-desk', 'https://wiki.test/drift#drift%2Fbad', 2]);
    assert.deepEqual(
      [severity, history.map(({ what, by }) => `${what} by ${by}`)],
      ['critical', ['opened by monitor']],
    );
    assert.deepEqual(
      deliveries.map(({ sink, change, state, detail }) => `${sink} ${change} ${state} ${detail}`).toSorted(),
      ['grave', 'monitor-webhook', 'webhook'].map((sink) => `${sink} opened delivered 204`),
    );
    assert(town.logged.includes('opened: bad has drifted'));
  }));

test('the same tick again tells nobody anything', () =>
  town.withWorker(async () => {
    await town.tick(2, [drift('x'), drift('bad'), drift('y')]);
    assert.deepEqual(await received(), {});
    assert.equal((await town.record('drift/x')).count, 2);
  }));

test('who has acknowledged hears of it when it is worse, and when it is over', () =>
  town.withWorker(async () => {
    const answer = await say('acknowledge', 'drift/x');
    assert(answer.accepted);
    assert.equal(answer.alert.state, 'acknowledged');
    await town.tick(3, [drift('x'), drift('bad')]);
    assert.deepEqual(await received(), {});
    await town.tick(4, [drift('x', { severity: 'critical' }), drift('bad')]);
    const raised = 'raised drift/x';
    assert.deepEqual(await received(), { '/all': [raised], '/grave': [raised], '/old': [raised] });
    await town.tick(5, [drift('bad')]);
    assert.deepEqual((await received())['/all'], ['closed drift/x']);
    const { history } = await town.record('drift/x');
    assert.deepEqual(
      history.map(({ n, what, by }) => [n, what, by]),
      [
        [1, 'opened', 'monitor'],
        [2, 'acknowledged', 'bob'],
        [3, 'raised', 'monitor'],
        [4, 'closed', 'monitor'],
      ],
    );
  }));

test('a person closes it, which all are told; what is over cannot be snoozed', () =>
  town.withWorker(async () => {
    assert((await say('close', 'drift/bad')).accepted);
    assert.deepEqual((await received())['/grave'], ['closed drift/bad']);
    const answer = await say('snooze', 'drift/bad', '2999-01-01T00:00:00.000Z');
    assert.deepEqual(answer, { accepted: false, code: 'closed', detail: 'alert 1 is closed' });
    await town.tick(6, [drift('bad')]);
    assert.deepEqual(await received(), {});
  }));

test('a receiver that is down keeps no tick and no other from going on, and gets it when it is up', () =>
  town.withWorker(async () => {
    const { url } = town.receiver;
    town.receiver.replies.push(...[503, 503, 503].map((status) => ({ status })));
    const { at } = await town.tick(7, [drift('late')]);
    assert.match(at, /^\d{4}/, 'the tick is over');
    await until(async () => town.receiver.got.length >= 3);
    const pending = (await town.record('drift/late')).deliveries.filter(({ state }) => state === 'pending');
    assert(pending.length > 0, 'somebody was told by a 503');
    await town.quiet();
    const tries = town.receiver.got.splice(0).filter(({ path }) => path === '/all');
    assert.equal(new Set(tries.map(({ headers }) => headers['webhook-id'])).size, 1, url);
    assert.equal(new Set(tries.map(({ body }) => body)).size, 1);
    const { deliveries } = await town.record('drift/late');
    assert(deliveries.every(({ state }) => state === 'delivered'));
  }));

test('410 is for good, and is on record; Retry-After is waited for', () =>
  town.withWorker(async () => {
    town.receiver.replies.push(
      { status: 429, headers: { 'retry-after': '2' } },
      { status: 410, text: 'gone' },
    );
    const since = Date.now();
    await town.tick(8, [drift('gone')]);
    await town.quiet();
    const { deliveries } = await town.record('drift/gone');
    assert.deepEqual(deliveries.map(({ state }) => state).toSorted(), ['delivered', 'failed']);
    assert.match(deliveries.find(({ state }) => state === 'failed')!.detail, /answered 410 gone$/);
    assert(Date.now() - since >= 2_000);
    town.receiver.got.splice(0);
  }));

test('a book that cannot be told keeps nobody from retraining', () => {
  let asked = 0;
  const lost = ApplicationFailure.nonRetryable('no book', 'Lost');
  return town.withWorker(
    () => assert.rejects(town.tick(8, [drift('untold')])).then(() => assert.equal(asked, 1)),
    {
      tellAlerts: () => Promise.reject(lost),
      retrain: () => Promise.resolve((asked++, [])),
    },
  );
});

test('its life goes on as new: what is open, what was told, who has closed what', async () => {
  const { client } = town.world.env;
  const start = () =>
    new WithStartWorkflowOperation(alerts, {
      ...{ workflowId: alertsWorkflowId('long'), taskQueue: taskQueues.cpu, args: ['long', 40] },
      workflowIdConflictPolicy: 'USE_EXISTING',
    });
  const observe = (told: Findings) =>
    askAgain(() =>
      client.workflow.executeUpdateWithStart(observeUpdate, {
        ...{ args: [told], startWorkflowOperation: start() },
      }),
    );
  const handle = client.workflow.getHandle(alertsWorkflowId('long'));
  await town.withWorker(async () => {
    const day = (n: number): Findings => ({
      ...{ tick: `t${n}`, window: dayWindow(`2001-02-${10 + n}`), judged: ['drift'] },
      findings: [{ key: 'drift/x', kind: 'drift', severity: 'warning', message: 'x has drifted' }],
    });
    await observe(day(1));
    const { runId } = await handle.describe();
    for (let n = 2; n <= 9; n++) await observe(day(n));
    assert.notEqual((await handle.describe()).runId, runId, 'it never continued as new');
    assert.deepEqual(await observe(day(3)), { opened: 0, closed: 0, open: 1 });
    const { alerts: open, ticks } = await handle.query(alertsQuery);
    assert.deepEqual([open.length, open[0]!.count, ticks.length], [1, 9, 9]);
  });
});

test('a server that has lost it: the store has the book, and no number is given twice', () =>
  town.withWorker(async () => {
    const before = await town.book();
    await town.world.env.client.workflow.getHandle(alertsWorkflowId('m')).terminate('lost');
    await town.tick(9, [drift('late'), drift('gone'), drift('after')]);
    const { alerts: open, nextId } = await town.book();
    assert.equal(nextId, before.nextId + 1);
    assert.equal(open.find(({ key }) => key === 'drift/after')!.id, before.nextId);
    assert.equal((await town.record('drift/late')).reopened, 1);
    await town.quiet();
  }));

test('a book that an operator resets to its middle finds itself again, and tells nobody twice', () =>
  town.withWorker(async () => {
    await town.tick(11, [drift('late'), drift('reset-1')]);
    await town.tick(12, [drift('late'), drift('reset-2')]);
    await town.quiet();
    town.receiver.got.splice(0);
    const before = await town.book();
    const { client } = town.world.env;
    const handle = client.workflow.getHandle(alertsWorkflowId('m'));
    const { events = [] } = await handle.fetchHistory();
    const tasks = (events ?? []).filter(({ workflowTaskCompletedEventAttributes: done }) => done);
    await client.workflowService.resetWorkflowExecution({
      ...{ namespace: 'default', reason: 'drill', requestId: crypto.randomUUID() },
      workflowExecution: { workflowId: handle.workflowId, runId: (await handle.describe()).runId },
      workflowTaskFinishEventId: tasks[Math.floor(tasks.length / 2)]!.eventId!,
    });
    await town.tick(13, [drift('late'), drift('reset-3')]);
    const { alerts: open, nextId, revision } = await town.book();
    assert.equal(nextId, before.nextId + 1);
    assert(revision > before.revision);
    assert.deepEqual(
      open.filter(({ state }) => state !== 'closed').map(({ key }) => key),
      ['drift/late', 'drift/reset-3'],
    );
    assert.deepEqual((await received())['/all'], ['opened drift/reset-3, closed drift/reset-2']);
  }));

test('a tick of before 0.5.0 says neither what it is about nor what it judged: one alert a kind, closed by none', () =>
  town.withWorker(
    async () => {
      await town.tick(14);
      const { key, state } = await town.record('quality');
      assert.deepEqual([key, state], ['quality', 'open']);
      await town.quiet();
    },
    {
      monitor: async ({ window }) => ({
        ...{ record: artifact, tick: 'old', window, version: 1, rows: 1, worstPsi: null },
        alerts: [{ kind: 'quality', message: 'worse' }],
      }),
    },
  ));

test('replay: this code retells every run of this file', () => town.world.replayAll());
