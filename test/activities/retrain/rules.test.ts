/** Rules that need no log to be tried: what is foreseen, and what happens to other models; and since when the world is another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spentSince } from '../../../activities/retrain/spent.ts';
import { changedSince } from '../../../activities/retrain/since.ts';
import { fired } from '../../../activities/retrain/rules.ts';
import type { Known } from '../../../activities/retrain/rules.ts';
import { tickKey } from '../../../activities/monitor/look.ts';
import type { TickRecord } from '../../../contracts/monitor.ts';
import { Project } from '../../../contracts/project.ts';
import { createJson } from '../../../infra/store/json.ts';
import { dayWindow } from '../../support/served.ts';
import { openBench, project } from '../../support/stage.ts';

const known: Known = {
  lookedUntil: '2001-02-01T00:00:00.000Z',
  newRows: async () => 0,
  championSince: async () => null,
  registeredAt: '2026-02-01T00:00:00.000Z',
};

function tick(day: string, change: Partial<TickRecord> = {}): TickRecord {
  return {
    ...{ model: 'm', window: dayWindow(day), version: 1, rows: 500, byVersion: {} },
    ...{ drift: [], quality: null, alerts: [], ...change },
  };
}

const rules = (...given: NonNullable<NonNullable<Parameters<typeof project>[0]>['retrain']>['rules'][]) =>
  Project.parse(project({ retrain: { rules: given.flatMap((rule) => rule ?? []) } }));

test('a limit that is near asks for a new version, one that is far does not', async () => {
  const forecast = {
    ...{ metric: 'log_loss', limit: 0.6, now: 0.5, perDay: 0.02, windows: 10 },
    ...{ days: 5, soonest: 4, latest: 8 },
  };
  const seen = tick('2001-02-10', { forecasts: [forecast] });
  const near = await fired(rules([{ on: 'forecast', within: '7d' }]), seen, known);
  assert.deepEqual(near, [
    { rule: 'forecast', kind: 'forecast', reason: 'log_loss reaches its limit of 0.6 in about 5.0 days' },
  ]);
  assert.deepEqual(await fired(rules([{ on: 'forecast', within: '4d' }]), seen, known), []);
  assert.deepEqual(
    await fired(rules([{ on: 'forecast', metric: 'roc_auc', within: '7d' }]), seen, known),
    [],
  );
});

test('another champion upstream asks for a new version, if it is younger than ours', async () => {
  const upstream = rules([{ on: 'upstream', model: 'prices' }]);
  const since = (at: string) => ({ ...known, championSince: async () => ({ version: 4, at }) });
  const [found] = await fired(upstream, tick('2001-02-10'), since('2026-03-01T00:00:00.000Z'));
  assert.match(found!.reason, /^prices has another champion, version 4, since 2026-03-01/);
  assert.deepEqual(await fired(upstream, tick('2001-02-10'), since('2026-01-01T00:00:00.000Z')), []);
  assert.deepEqual(await fired(upstream, tick('2001-02-10'), known), []);
});

test('drift goes by what the tick decided, or by a bar of the rule', async () => {
  const column = { name: 'x', psi: 0.3, nulls: 0, unseen: 0 };
  const of = (drifted: boolean) => tick('2001-02-10', { drift: [{ ...column, drifted }] });
  assert.equal((await fired(rules([{ on: 'drift' }]), of(true), known)).length, 1);
  assert.equal((await fired(rules([{ on: 'drift' }]), of(false), known)).length, 0);
  assert.equal((await fired(rules([{ on: 'drift', psi: 0.25 }]), of(false), known)).length, 1);
});

test('the change began with the first of the loud windows before this one', async () => {
  const bench = await openBench();
  const loud = { alerts: [{ kind: 'drift' as const, message: 'x has drifted' }] };
  for (const [day, change] of [
    ['2001-02-05', loud],
    ['2001-02-06', {}],
    ['2001-02-07', loud],
    ['2001-02-08', loud],
  ] as const)
    await createJson(bench.store, tickKey('m', dayWindow(day)), tick(day, change));
  assert.equal(await changedSince(bench.store, 'm', tick('2001-02-09', loud)), dayWindow('2001-02-07').from);
  assert.equal(await changedSince(bench.store, 'm', tick('2001-02-07', loud)), dayWindow('2001-02-07').from);
  await bench.close();
});

test('what was spent is counted from the records of stages', async () => {
  const bench = await openBench();
  const record = (stage: string, startedAt: string, details: Record<string, unknown> = {}) => ({
    ...{ stage, attempt: 1, startedAt, endedAt: startedAt, seconds: 60, input: {}, output: {} },
    ...{ inputs: {}, runtime: {}, details },
  });
  for (const [n, at] of [
    [1, '2026-10-30T00:00:00.000Z'],
    [2, '2026-11-02T00:00:00.000Z'],
    [3, '2026-11-03T00:00:00.000Z'],
  ] as const)
    for (const stage of ['ingest', 'train']) {
      const lifecycleId = `lifecycle/m/${n}`;
      const details = stage === 'train' ? { cost: 2.5 } : {};
      await createJson(bench.store, `runs/${lifecycleId}/${stage}/record.json`, {
        ...record(stage, at, details),
        lifecycleId,
      });
    }
  assert.deepEqual(await spentSince(bench.store, 'm', '2026-11-01T00:00:00.000Z'), {
    ...{ runs: 2, seconds: 240, money: 5 },
  });
  await bench.close();
});
