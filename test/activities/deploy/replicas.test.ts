/** How a challenger is judged by what replicas report. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { observe } from '../../../activities/deploy/observe.ts';
import { agreementOf, percentile, settle } from '../../../activities/deploy/replicas.ts';
import { latencyBoundsMs } from '../../../contracts/serving.ts';
import type { ReplicaStatus, VersionCounters } from '../../../contracts/serving.ts';
import { createJson } from '../../../infra/store/json.ts';
import { openBench, project } from '../../support/stage.ts';

const sums = (pairs: [number, number][]): VersionCounters['agreement'] => ({
  n: pairs.length,
  x: pairs.reduce((sum, [x]) => sum + x, 0),
  y: pairs.reduce((sum, [, y]) => sum + y, 0),
  xx: pairs.reduce((sum, [x]) => sum + x * x, 0),
  yy: pairs.reduce((sum, [, y]) => sum + y * y, 0),
  xy: pairs.reduce((sum, [x, y]) => sum + x * y, 0),
  same: 0,
});

test('agreement is the concordance: scale and level count, and a constant agrees with nothing that varies', () => {
  const near = (a: number | null, b: number) => assert.ok(Math.abs(a! - b) < 1e-9, `${a} is not ${b}`);
  near(agreementOf(sums([[1, 1], [2, 2], [3, 3]]), 'regression'), 1); // prettier-ignore
  near(agreementOf(sums([[1, 2], [2, 4], [3, 6]]), 'regression'), 4 / 11); // prettier-ignore
  near(agreementOf(sums([[1, 3], [2, 2], [3, 1]]), 'regression'), -1); // prettier-ignore
  near(agreementOf(sums([[1, 1], [2, 3], [3, 2]]), 'binary-classification'), 0.5); // prettier-ignore
  assert.equal(agreementOf(sums([[1, 5], [2, 5], [3, 5]]), 'regression'), 0); // prettier-ignore
  assert.equal(agreementOf(sums([]), 'regression'), null);
  assert.equal(agreementOf({ ...sums([]), n: 4, same: 3 }, 'multiclass-classification'), 0.75);
});

test('a percentile is the upper bound of its bucket', () => {
  const latency = latencyBoundsMs.map(() => 0).concat(0);
  assert.equal(percentile(latency, 0.99), null);
  latency[1] = 99;
  latency[4] = 1;
  assert.equal(percentile(latency, 0.99), 1);
  latency[4] = 2;
  assert.equal(percentile(latency, 0.99), 10);
});

function counters(version: number, change: Partial<VersionCounters> = {}): VersionCounters {
  const latency = latencyBoundsMs.map((_, i) => (i === 1 ? 100 : 0)).concat(0);
  return {
    ...{ version, requests: 100, rows: 100, errors: 0, latency },
    agreement: sums(Array.from({ length: 100 }, (_, i) => [i, i])),
    ...change,
  };
}

async function judged(challenger: Partial<VersionCounters>, at = new Date().toISOString()) {
  const bench = await openBench();
  const status: ReplicaStatus = {
    ...{ replica: 'r1', url: 'http://127.0.0.1:1', at, startedAt: at },
    models: { m: { epoch: 3, loaded: [1, 2], failed: [], counters: [counters(1), counters(2, challenger)] } },
  };
  await createJson(bench.store, 'replicas/r1.json', status);
  const input = { model: 'm', version: 2, champion: 1, epoch: 3, share: 0.1 };
  const seen = await observe(bench.deps, { project: await bench.pin(project()), ...input });
  await bench.close();
  return seen;
}

test('a challenger that agrees, answers and is quick is healthy', async () => {
  const seen = await judged({});
  assert.equal(seen.healthy, true);
  assert.match(seen.reason, /100 rows, agreement 1.00/);
});

test('errors, slowness and disagreement each stop it, with the reason', async () => {
  const slow = latencyBoundsMs.map((_, i) => (i === 6 ? 100 : 0)).concat(0);
  const cases: [Partial<VersionCounters>, RegExp][] = [
    [{ errors: 5 }, /5.0 % of its requests fail/],
    [{ latency: slow }, /50.0 times slower/],
    [
      { agreement: sums(Array.from({ length: 100 }, (_, i) => [i, -i])) },
      /agrees with the champion by -0.15/,
    ],
  ];
  for (const [change, reason] of cases) {
    const seen = await judged(change);
    assert.equal(seen.healthy, false);
    assert.match(seen.reason, reason);
  }
});

test('too few rows say nothing, and a replica that is gone counts for nothing', async () => {
  const few = await judged({ rows: 3, agreement: sums([[1, -1], [2, -2], [3, -3]]) }); // prettier-ignore
  assert.equal(few.healthy, true);
  assert.match(few.reason, /too few/);
  const gone = await judged({ errors: 100 }, '2001-01-01T00:00:00.000Z');
  assert.equal(gone.requests, 0);
});

test('a version that somebody takes back while it loads is not waited for', { timeout: 80_000 }, async () => {
  const bench = await openBench();
  const slots = {
    ...{ model: 'm', epoch: 4, champion: null, challenger: null, previous: null },
    ...{ reason: 'rolled back: a drill', by: 'ana', at: new Date().toISOString() },
  };
  await createJson(bench.store, 'models/m/current.json', slots);
  const wait = (input: { model: string; version: number; epoch: number }) => settle(bench.store, input);
  const answer = await bench.run(wait, { model: 'm', version: 2, epoch: 3 });
  assert.deepEqual(answer, { ready: false, reason: 'version 2 was taken back: rolled back: a drill' });
  await bench.close();
});
