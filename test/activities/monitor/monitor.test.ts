/** Ticks over logged predictions: what counts as drift, and quality by labels that came late. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { psi } from '../../../activities/monitor/drift.ts';
import { createMonitor } from '../../../activities/monitor/index.ts';
import { TickRecord } from '../../../contracts/monitor.ts';
import { readJsonBlob } from '../../../infra/store/json.ts';
import { dayWindow, logDay, serve, served } from '../../support/served.ts';
import type { Day } from '../../support/served.ts';
import { openBench } from '../../support/stage.ts';

test('PSI: published values, nothing for nothing, and null for an empty side', () => {
  const near = (a: number | null, b: number) => assert.ok(Math.abs(a! - b) < 1e-9, `${a} is not ${b}`);
  near(psi([50, 50], [50, 50]), 0);
  near(psi([50, 50], [80, 20]), -0.3 * Math.log(0.5 / 0.8) + 0.3 * Math.log(0.5 / 0.2));
  near(psi([100, 0], [90, 10]), 0.1 * Math.log(1 / 0.9) + (0.0001 - 0.1) * Math.log(0.0001 / 0.1));
  assert.equal(psi([1, 2], [0, 0]), null);
});

async function tick(days: Record<string, Day>, day: string, posted: unknown[] = []) {
  const bench = await openBench();
  await serve(bench);
  for (const [name, look] of Object.entries(days)) await logDay(bench, name, look);
  const deps = {
    ...bench.deps,
    post: async (_: string, body: unknown) => void posted.push(body),
    log: { warn: () => {} },
  };
  const summary = await bench.run(createMonitor(deps).monitor, { model: 'm', window: dayWindow(day) });
  const record = await readJsonBlob(bench.store, summary.record, TickRecord);
  await bench.close();
  return { summary, record };
}

test('a day like the reference is quiet, and yesterday is judged by its labels', async () => {
  const { record } = await tick({ '2001-02-01': {}, '2001-02-02': {} }, '2001-02-02');
  assert.deepEqual(record.alerts, []);
  assert.equal(record.rows, 500);
  const { quality } = record;
  assert.deepEqual(quality?.window, dayWindow('2001-02-01'));
  assert.equal(quality?.coverage, 1);
  assert.ok(Math.abs(quality.metrics['log_loss']! + Math.log(0.8)) < 1e-6); // always 0.8 sure, always right
  assert.equal(quality?.metrics['roc_auc'], 1);
});

test('a feature that moved, new categories and missing values are drift', async () => {
  const moved = await tick({ '2001-02-01': { x: '0.95' } }, '2001-02-01');
  assert.match(moved.record.alerts[0]!.message, /^x has drifted: PSI/);
  const strange = await tick(
    { '2001-02-01': { city: `CASE WHEN i % 2 = 0 THEN 'XXX' ELSE 'ATL' END` } },
    '2001-02-01',
  );
  assert.equal(strange.record.drift.find(({ name }) => name === 'city')?.unseen, 250);
  const missing = await tick(
    { '2001-02-01': { x: 'CASE WHEN i % 3 = 0 THEN NULL ELSE (i % 100) / 100 END' } },
    '2001-02-01',
  );
  const x = missing.record.drift.find(({ name }) => name === 'x');
  assert.equal(x?.nulls, 167);
  assert.ok(x.psi! > 0.25, `a third missing gives PSI ${x?.psi}`);
});

test('predictions that moved are an alert of their own', async () => {
  const { record } = await tick({ '2001-02-01': { probability: '0.9' } }, '2001-02-01');
  assert.deepEqual(
    record.alerts.map(({ kind }) => kind),
    ['prediction'],
  );
});

test('a model that is wrong is an alert once its labels have come, not before', async () => {
  const wrong = { '2001-02-01': { label: `CAST((i + 1) % 2 AS VARCHAR)` } };
  const before = await tick(wrong, '2001-02-01');
  assert.equal(before.record.quality, null);
  const after = await tick({ ...wrong, '2001-02-02': {} }, '2001-02-02');
  assert.match(after.record.alerts[0]!.message, /^log_loss is 1.6094, was 0.3000/);
});

test('few rows make no alarm, and silence is said', async () => {
  const few = await tick({ '2001-02-01': { rows: 20, x: '0.95' } }, '2001-02-01');
  assert.deepEqual(few.record.alerts, []);
  const silent = await tick({ '2001-02-01': {} }, '2001-03-01');
  assert.equal(silent.record.alerts[0]?.kind, 'silence');
});

test('a prediction that was asked for twice under one id counts once', async () => {
  const bench = await openBench();
  await serve(bench);
  await logDay(bench, '2001-02-01');
  const log = await bench.store.localKey('predictions/m/2001-02-01/12/r1-1.parquet');
  await bench.store.createFromFile('predictions/m/2001-02-01/12/r2-1.parquet', log, 'x');
  const { monitor } = createMonitor({ ...bench.deps, post: async () => {}, log: { warn: () => {} } });
  const tick = await bench.run(monitor, { model: 'm', window: dayWindow('2001-02-01') });
  assert.equal(tick.rows, 500);
  await bench.close();
});

test('alerts go to the webhook of the project', async () => {
  const bench = await openBench();
  await serve(bench, { ...served, monitor: { ...served.monitor, webhook: 'https://hooks.test/x' } });
  const posted: unknown[] = [];
  const post = async (url: string, body: unknown) => void posted.push({ url, body });
  const { notify } = createMonitor({ ...bench.deps, post, log: { warn: () => {} } });
  const alerts = [{ kind: 'drift' as const, message: 'x has drifted' }];
  const record = await bench.store.putBlob('{}', 'application/json');
  const window = dayWindow('2001-02-01');
  await bench.run(notify, {
    model: 'm',
    tick: { record, tick: 't', window, version: 1, rows: 1, worstPsi: null, alerts },
  });
  assert.deepEqual(posted, [{ url: 'https://hooks.test/x', body: { model: 'm', window, alerts } }]);
  await bench.close();
});
