/** Rules on ticks: which fire, with which reason, and that a tick asks for one lifecycle at most. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { createMonitor } from '../../../activities/monitor/index.ts';
import { createRetrain } from '../../../activities/retrain/index.ts';
import type { Disposition, TriggerRequest } from '../../../contracts/model.ts';
import { dayWindow, logDay, serve, served } from '../../support/served.ts';
import type { Day } from '../../support/served.ts';
import { csv, openBench } from '../../support/stage.ts';
import type { Bench } from '../../support/stage.ts';

async function asked(
  days: Record<string, Day>,
  day: string,
  project = served,
  prepare?: (bench: Bench) => Promise<unknown>,
) {
  const bench = await openBench();
  await prepare?.(bench);
  await serve(bench, project);
  for (const [name, look] of Object.entries(days)) await logDay(bench, name, look);
  const requests: TriggerRequest[] = [];
  const update = async (_: string, __: string, message: unknown): Promise<Disposition> => {
    requests.push(message as TriggerRequest);
    return { status: 'started', lifecycleId: 'lifecycle/m/2' };
  };
  const deps = {
    ...bench.deps,
    post: async () => {},
    log: { warn: () => {} },
    findLifecycle: async () => null,
  };
  const tick = await bench.run(createMonitor(deps).monitor, { model: 'm', window: dayWindow(day) });
  const { retrain } = createRetrain({ ...deps, models: { update } });
  const answers = await bench.run(retrain, { model: 'm', tick });
  await bench.close();
  return { answers, requests };
}

test('a quiet day asks for nothing', async () => {
  const { answers, requests } = await asked({ '2001-02-01': {}, '2001-02-02': {} }, '2001-02-02');
  assert.deepEqual([answers, requests], [[], []]);
});

test('drift and bad quality on one day are one trigger with both reasons', async () => {
  const days = { '2001-02-01': { label: `CAST((i + 1) % 2 AS VARCHAR)` }, '2001-02-02': { x: '0.95' } };
  const { answers, requests } = await asked(days, '2001-02-02');
  assert.deepEqual(
    answers.map(({ rule }) => rule),
    ['drift', 'quality'],
  );
  assert.equal(requests.length, 1);
  const { trigger } = requests[0]!;
  assert.equal(trigger.kind, 'drift');
  assert.equal(trigger.at, '2001-02-03T00:00:00.000Z');
  assert.match(trigger.reason, /^drift of x \(PSI .*; log_loss 1.6094 on 2001-02-01, worse than 0.3000/);
});

test('time passes: "every" counts from the end of the data the champion learned from', async () => {
  const every = { ...served, retrain: { rules: [{ on: 'every' as const, period: '2d' }] } };
  assert.equal((await asked({ '2001-02-01': {} }, '2001-02-01', every)).requests.length, 0);
  const due = await asked({ '2001-02-02': {} }, '2001-02-02', every);
  assert.equal(due.requests[0]?.trigger.kind, 'schedule');
});

test('a tick that is told again, when by another champion another rule fires, is the same trigger', async () => {
  const bench = await openBench();
  const rules = [{ on: 'every' as const, period: '1d' }, { on: 'drift' as const }];
  await serve(bench, { ...served, retrain: { rules } });
  await logDay(bench, '2001-02-02', { x: '0.95' });
  const requests: TriggerRequest[] = [];
  const update = async (_: string, __: string, message: unknown): Promise<Disposition> => {
    requests.push(message as TriggerRequest);
    return { status: 'started', lifecycleId: 'lifecycle/m/2' };
  };
  const deps = { ...bench.deps, post: async () => {}, models: { update } };
  const tick = await bench.run(createMonitor(deps).monitor, { model: 'm', window: dayWindow('2001-02-02') });
  const { retrain } = createRetrain(deps);
  await bench.run(retrain, { model: 'm', tick });
  const again = await openBench(); // as if the champion were another, whose data reach up to here
  await serve(again, { ...served, retrain: { rules: rules.slice(1) } });
  const current = 'models/m/current.json';
  const { etag } = (await bench.store.read(current))!;
  const { bytes } = (await again.store.read(current))!;
  for await (const { key } of again.store.list('blobs/'))
    await bench.store.putBlob(await readFile(await again.store.localKey(key)), 'application/octet-stream');
  await bench.store.swap(current, bytes, etag);
  await bench.run(retrain, { model: 'm', tick });
  assert.equal(requests.length, 2);
  assert.deepEqual(requests[1], requests[0]);
  assert.equal(requests[0]!.trigger.kind, 'schedule');
  await Promise.all([bench.close(), again.close()]);
});

test('new data counts what the query finds since', async () => {
  const rows = csv(5_000); // one every ten minutes from 1 January: 536 of them in February
  const rule = (rows: number) => ({ ...served, retrain: { rules: [{ on: 'new-data' as const, rows }] } });
  const prepare = (bench: Bench) => bench.write('rows.csv', rows);
  const day = { '2001-02-04': {} };
  assert.match(
    (await asked(day, '2001-02-04', rule(536), prepare)).answers[0]!.reason,
    /^536 new rows since/,
  );
  assert.equal((await asked(day, '2001-02-04', rule(537), prepare)).answers.length, 0);
});

test('the ledger keeps one disposition an event, whatever its id looks like', async () => {
  const bench = await openBench();
  const deps = { ...bench.deps, models: { update: undefined as never }, findLifecycle: async () => null };
  const { recordDisposition } = createRetrain(deps);
  const trigger = { kind: 'manual' as const, by: 'ana', reason: 'x', at: '2001-02-01T00:00:00.000Z' };
  const disposition: Disposition = { status: 'ignored', why: 'cooldown' };
  for (const id of ['manual/1', 'manual/1', '../../etc/passwd', 'naïve id']) {
    await recordDisposition({ model: 'm', request: { trigger: { ...trigger, id } }, disposition });
  }
  const keys: string[] = [];
  for await (const { key } of bench.store.list('events/')) keys.push(key.replace(/[0-9a-f]{64}/, 'digest'));
  assert.deepEqual(keys.toSorted(), [
    'events/m/digest.json',
    'events/m/digest.json',
    'events/m/manual/1.json',
  ]);
  await bench.close();
});
