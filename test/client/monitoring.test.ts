/** What people see of monitoring: the terminal's table, the page, the ledger of triggers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seriesChart } from '../../client/monitoring/charts.ts';
import { monitoringPage } from '../../client/monitoring/page.ts';
import { sparkline, ticksOf, watchingText } from '../../client/monitoring/ticks.ts';
import { triggerNamed, triggersOf, triggersText, whyText } from '../../client/triggers.ts';
import { tickKey } from '../../activities/monitor/look.ts';
import type { TickRecord, WindowDetails } from '../../contracts/monitor.ts';
import { createJson } from '../../infra/store/json.ts';
import { dayWindow } from '../support/served.ts';
import { openBench } from '../support/stage.ts';

const dayOf = (n: number): string => new Date(Date.UTC(2001, 1, 1 + n)).toISOString().slice(0, 10);

function tick(n: number, columns: number): TickRecord {
  const value = 0.4 + n / 100;
  const names = Array.from({ length: columns }, (_, i) => `column <${i}>`);
  return {
    ...{ model: 'm', window: dayWindow(dayOf(n)), version: 1, rows: 500 + n, byVersion: { '1': 500 } },
    drift: names.map((name, i) => ({
      ...{ name, psi: i / 100, nulls: i, unseen: 0, drifted: i < 3, rule: i < 3 ? 'ks' : null },
      ...{ why: 'KS is 0.2, the mean distance 0.4 standard deviations', pValue: 0.001, importance: 0.01 },
    })),
    quality: {
      ...{ window: dayWindow(dayOf(n - 1)), version: 1, rows: 500, labelled: 400, coverage: 0.8 },
      ...{ metrics: { log_loss: value }, reference: { log_loss: 0.4 } },
      intervals: { log_loss: { value, low: value - 0.02, high: value + 0.02 } },
    },
    estimate: { rows: 500, metrics: { log_loss: { value: 0.41, low: 0.38, high: 0.44 } } },
    alerts: n === 29 ? [{ kind: 'quality', key: 'quality/log_loss', message: 'log_loss is <high>' }] : [],
    usualFrom: 30,
  };
}

const details = (columns: number): WindowDetails => ({
  columns: Array.from({ length: columns }, (_, i) => ({
    name: `column <${i}>`,
    kind: i % 2 ? ('category' as const) : ('number' as const),
    bins: {
      ...(i % 2 ? { values: ['a', 'b', '(others)'] } : { edges: [0, 1, 2, 3] }),
      ...{ reference: [0.2, 0.3, 0.5], current: [0.3, 0.3, 0.4] },
    },
  })),
});

test('a page of two hundred columns and thirty windows is one small file without scripts, and escapes names', async () => {
  const ticks = Array.from({ length: 30 }, (_, n) => tick(n, 200));
  const page = await monitoringPage({ model: 'm', ticks }, details(200));
  assert.ok(page.length < 1_500_000, `${page.length} bytes`);
  assert.ok(!/<script|https?:\/\/(?!www\.w3\.org)/.test(page));
  assert.ok(page.includes('column &lt;0&gt;') && !page.includes('column <0>'));
  assert.ok(page.includes('log_loss is &lt;high&gt;'));
  assert.match(page, /176 columns of less weight are not drawn/);
});

test('the terminal shows the newest windows, oldest first, up to a moment', async () => {
  const bench = await openBench();
  for (let n = 0; n < 5; n++) await createJson(bench.store, tickKey('m', dayWindow(dayOf(n))), tick(n, 12));
  const watching = await ticksOf(bench.store, 'm', 3);
  assert.deepEqual(
    watching.ticks.map(({ rows }) => rows),
    [502, 503, 504],
  );
  const before = await ticksOf(bench.store, 'm', 30, '2001-02-03T00:00:00.000Z');
  assert.deepEqual(
    before.ticks.map(({ rows }) => rows),
    [500, 501],
  );
  const text = watchingText(watching);
  assert.match(text, /^m, version 1: 3 windows, the last until 2001-02-06 00:00/);
  assert.match(text, /log_loss +▁▅█ +0\.44 +0\.42 to 0\.46; 0\.4 at evaluation/);
  assert.match(text, /and 2 more, of less weight/);
  await assert.rejects(ticksOf(bench.store, 'nobody', 3), /nobody was not monitored yet/);
  await bench.close();
});

test('a sparkline has a sign a window, and a dot where there is nothing', () => {
  assert.equal(sparkline([1, null, 8, 4.5]), '▁·█▅');
  assert.equal(sparkline([2, 2]), '▁▁');
});

test('triggers are listed newest first, and each is told in a sentence', async () => {
  const bench = await openBench();
  const trigger = (id: string) => ({
    ...{ id, kind: 'drift' as const, by: 'monitor', reason: 'drift of x', at: '2001-02-03T00:00:00.000Z' },
  });
  const file = (id: string, at: string, disposition: object) =>
    createJson(bench.store, `events/m/${id}.json`, { trigger: trigger(id), disposition, at });
  await file('drift/m/1', '2026-01-01T00:00:00.000Z', { status: 'started', lifecycleId: 'lifecycle/m/2' });
  await file('drift/m/2', '2026-01-02T00:00:00.000Z', {
    status: 'ignored',
    why: 'cooldown until 2001-02-06',
  });
  await file('event/9', '2026-01-03T00:00:00.000Z', {
    ...{ status: 'waiting', until: '2026-01-03T06:00:00.000Z', why: 'quiet hours' },
  });
  const entries = await triggersOf(bench.store, 'm');
  assert.deepEqual(
    entries.map((entry) => entry.trigger.id),
    ['event/9', 'drift/m/2', 'drift/m/1'],
  );
  assert.match(triggersText(entries, 'm', 2), /drift\/m\/2\nand 1 older one; --all shows them$/);
  assert.match(whyText(triggerNamed(entries, 'm', 'event')), /It waits until .* \(quiet hours\)/);
  assert.match(whyText(triggerNamed(entries, 'm', 'drift/m/1')), /It started lifecycle\/m\/2\./);
  assert.throws(() => triggerNamed(entries, 'm', 'drift'), /m has 2 triggers that begin with drift/);
  await bench.close();
});

test('a chart of minutes has hours, in UTC; one of weeks has days', async () => {
  const series = (everyMs: number) => ({
    ...{ title: 'failed', share: true },
    points: [0, 1, 2, 3, 4].map((i) => ({
      at: new Date(Date.UTC(2001, 1, 1, 9) + i * everyMs).toISOString(),
      value: i / 10,
    })),
  });
  const minutes = (await seriesChart(series(60_000))).html;
  assert.match(minutes, />09:0[0-4]</);
  assert.match(minutes, />20\.0%</);
  assert.match((await seriesChart(series(7 * 86_400_000))).html, />\d\d Feb</);
});
