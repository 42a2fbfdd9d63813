/** From rows to a package to a tick: what a version brings along, and what monitoring makes of it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createDeploy } from '../../../activities/deploy/index.ts';
import { createEvaluate } from '../../../activities/evaluate/index.ts';
import { createIngest } from '../../../activities/ingest/index.ts';
import { createMonitor } from '../../../activities/monitor/index.ts';
import { createPrepare } from '../../../activities/prepare/index.ts';
import { createTrain } from '../../../activities/train/index.ts';
import type { Verdict } from '../../../contracts/approval.ts';
import { TickRecord, WindowDetails } from '../../../contracts/monitor.ts';
import { Package } from '../../../contracts/serving.ts';
import { Watch } from '../../../contracts/watch.ts';
import { forkModule } from '../../../infra/child.ts';
import { score } from '../../../infra/onnx/score.ts';
import { createJson, readJsonBlob, swapJson } from '../../../infra/store/json.ts';
import { dayWindow, logDay } from '../../support/served.ts';
import type { Day } from '../../support/served.ts';
import { january, openBench, project } from '../../support/stage.ts';
import type { Bench } from '../../support/stage.ts';

let bench: Bench;
let made: Package;
let watch: Watch;

/** `x` wanders from day to day, as `x` of February does; `city` does not. The answer follows x alone. */
function rows(): string {
  const lines = Array.from({ length: 4_400 }, (_, i) => {
    const at = new Date(Date.parse(january.from) + i * 600_000).toISOString().slice(0, 19).replace('T', ' ');
    const day = Math.floor(i / 144);
    const x = (((i * 37) % 100) / 100) * 0.8 + (day % 5) * 0.05;
    return `r${i},${at},${x},${['ATL', 'DEN', 'JFK'][i % 3]},${(i * 7919) % 101 < 100 * x ? 1 : 0}`;
  });
  return `id,seen,x,city,y\n${lines.join('\n')}\n`;
}

before(async () => {
  bench = await openBench();
  await bench.write('rows.csv', rows());
  const pinned = await bench.pin({
    ...project(),
    trainer: { backend: 'onnx', epochs: 4, batchSize: 64, learningRate: 0.02 },
    monitor: { minRows: 50, labelDelay: '1d', minGroup: 20, maxGap: 0.3 },
    checks: [
      { check: 'range', column: 'x', min: 0, max: 1.2 },
      { check: 'not-null', column: 'y' },
      { check: 'sql', name: 'known city', holds: "city IN ('ATL', 'DEN', 'JFK')", tolerate: 0.01 },
      { check: 'sql', name: 'of the label', holds: 'y < 2' },
    ],
    gates: { log_loss: { max: 0.9 } },
    slices: ['city'],
  });
  const common = { lifecycleId: 'lifecycle/m/1', project: pinned };
  const deps = { ...bench.deps, forkModule, score };
  const dataset = await bench.run(createIngest(deps).ingest, { ...common, window: january });
  const prepared = await bench.run(createPrepare(deps).prepare, { ...common, dataset });
  const candidate = await bench.run(createTrain(deps).train, { ...common, prepared });
  const scorecard = await bench.run(createEvaluate(deps).evaluate, { ...common, prepared, candidate });
  const subject = {
    ...{ model: 'm', modelDigest: candidate.model.sha256, datasetDigest: dataset.digest },
    ...{ scorecardDigest: scorecard.scorecard.sha256, policyDigest: 'b'.repeat(64) },
  };
  const verdict: Verdict = {
    ...{ requestId: 'm/1', status: 'approved', policy: 'auto', decisions: [], at: january.until },
    subject,
  };
  const { deploy } = createDeploy({
    ...deps,
    models: { update: async () => ({ version: 1 }) as never },
    schedule: async () => {},
  });
  const stages = { dataset, prepared, candidate, scorecard, verdict, window: january };
  const { package: artifact } = await bench.run(deploy, { ...common, ...stages });
  made = await readJsonBlob(bench.store, artifact, Package);
  watch = await readJsonBlob(bench.store, made.watch!, Watch);
  await createJson(bench.store, 'models/m/current.json', {
    ...{ model: 'm', epoch: 1, challenger: null, previous: null, reason: 'first', by: 'rollout' },
    ...{ champion: { version: 1, package: artifact }, at: january.until },
  });
});
after(() => bench.close());

let days = 0;

/** One more day, and the tick after it. */
async function tick(look: Day = {}) {
  const day = new Date(Date.parse('2001-02-01') + days++ * 86_400_000).toISOString().slice(0, 10);
  const x = '((i * 37) % 100) / 100 * 0.8 + 0.1';
  const probability = '((i * 37) % 100) / 100 * 0.8 + 0.1';
  const label = `CAST(CAST((i * 7919) % 101 < 100 * (${probability}) AS INTEGER) AS VARCHAR)`;
  await logDay(bench, day, { x, probability, label, ...look });
  const { monitor } = createMonitor({ ...bench.deps, post: async () => {} });
  const summary = await bench.run(monitor, { model: 'm', window: dayWindow(day) });
  return readJsonBlob(bench.store, summary.record, TickRecord);
}

test('a version brings what it was made of, what it goes by, and what is usual', () => {
  assert.deepEqual(
    watch.inputs.columns.map(({ name, kind }) => [name, kind]),
    [
      ['x', 'number'],
      ['city', 'category'],
    ],
  );
  assert.equal(watch.prediction.name, 'probability');
  assert.equal(watch.prediction.rows, 880);
  assert.ok(watch.importance!['x']! > 0.95, `x counts ${watch.importance!['x']}`);
  assert.equal(watch.calibrators?.length, 1);
  assert.equal(watch.natural.windows, 30);
  const { x, city } = watch.natural.floors;
  assert.ok(x!.ks! > 0.15 && city!.tvd! < 0.05, JSON.stringify(watch.natural.floors));
});

test('a day as days were is quiet, and its columns are told', async () => {
  const record = await tick();
  assert.deepEqual(record.alerts, []);
  assert.deepEqual(record.judged, ['silence', 'drift', 'prediction', 'data']);
  assert.equal(record.usualFrom, 30);
  assert.equal(record.estimate?.rows, 500);
  const { columns } = await readJsonBlob(bench.store, record.details!, WindowDetails);
  const x = columns.find(({ name }) => name === 'x')!;
  assert.equal(x.bins.edges?.length, 21);
  for (const side of [x.bins.reference, x.bins.current])
    assert.ok(Math.abs(side.reduce((sum, share) => sum + share, 0) - 1) < 0.01);
});

test('of a handful of rows nothing is said to have drifted, however far they are', async () => {
  const few = await tick({ rows: 12, x: '9.5', city: `'XXX'` });
  assert(!few.judged!.includes('drift') && !few.alerts.some(({ kind }) => kind === 'drift'));
  assert(few.drift.some(({ psi }) => psi! > 1));
  assert.deepEqual(
    [...new Set(few.drift.map(({ drifted, why }) => `${drifted} ${why}`))],
    ['false too few rows to judge: 12, at least 50'],
  );
});

test('missing values are drift though the values that are there have not changed; a column that wanders is not', async () => {
  const gone = await tick({ x: 'CASE WHEN i % 5 = 0 THEN NULL ELSE ((i * 37) % 100) / 100 * 0.8 + 0.1 END' });
  assert.deepEqual(
    gone.alerts.map(({ key }) => key),
    ['drift/x'],
  );
  assert.match(gone.alerts[0]!.message, /0\.0 % of rows were missing, now 20\.0 %/);
  assert.equal(gone.drift[0]!.name, 'x');
  const wandered = await tick({ x: '((i * 37) % 100) / 100 * 0.8 + 0.18' });
  assert.deepEqual(
    wandered.alerts.filter(({ kind }) => kind === 'drift'),
    [],
  );
  const moved = await tick({ x: '((i * 37) % 100) / 100 * 0.8 + 0.4' });
  assert.equal(moved.alerts.find(({ kind }) => kind === 'drift')?.key, 'drift/x');
});

test('the checks of the project hold for what is asked, too', async () => {
  const record = await tick({
    city: `CASE WHEN i % 4 = 0 THEN 'XXX' ELSE ['ATL', 'DEN', 'JFK'][i % 3 + 1] END`,
  });
  assert.deepEqual(
    record.checks?.map(({ check, count }) => [check, count]),
    [['known city', 125]],
  );
  assert.match(record.alerts.find(({ kind }) => kind === 'data')!.message, /known city: 125 of 500 rows/);
  assert.ok(record.alerts.some(({ key }) => key === 'drift/city'));
});

test('quality has intervals, slices and groups; a world that changed is told though no input has', async () => {
  await tick({ label: `CAST(i % 2 AS VARCHAR)` });
  const wrong = await tick();
  const { quality } = wrong;
  assert.equal(quality?.coverage, 1);
  const loss = quality.intervals!['log_loss']!;
  assert.ok(loss.low! < loss.value! && loss.value! < loss.high!);
  assert.equal(quality.slices?.length, 3);
  assert.equal(quality.fairness?.[0]?.groups.length, 3);
  const keys = wrong.alerts.map(({ key }) => key);
  assert.ok(keys.includes('quality/log_loss') && keys.includes('concept'), keys.join());
  assert.ok(!keys.some((key) => key?.startsWith('drift/')), keys.join());
});

test('errors of replicas are told once, in the window that they came in', async () => {
  const counters = (requests: number, errors: number) => ({
    ...{ version: 1, requests, rows: requests, errors, latency: Array.from({ length: 12 }, () => 0) },
    agreement: { n: 0, x: 0, y: 0, xx: 0, yy: 0, xy: 0, same: 0 },
  });
  const status = (requests: number, errors: number) => ({
    ...{
      replica: 'r1',
      instance: 'one',
      url: 'http://127.0.0.1:1',
      at: january.until,
      startedAt: january.until,
    },
    models: { m: { epoch: 1, loaded: [1], failed: [], counters: [counters(requests, errors)] } },
  });
  await createJson(bench.store, 'replicas/r1.json', status(1_000, 100));
  const bad = await tick();
  assert.match(bad.alerts.find(({ kind }) => kind === 'service')!.message, /100 of 1000 requests failed/);
  const { etag } = (await bench.store.read('replicas/r1.json'))!;
  await swapJson(bench.store, 'replicas/r1.json', status(2_000, 100), etag);
  const good = await tick();
  assert.deepEqual([good.service?.requests, good.service?.errors], [1_000, 0]);
  assert.ok(good.judged!.includes('service') && !good.alerts.some(({ kind }) => kind === 'service'));
});

test('a tick that is made again sees labels that have come since, and twice is once', async () => {
  const { monitor } = createMonitor({ ...bench.deps, post: async () => {} });
  const day = (n: number) => new Date(Date.parse('2001-05-01') + n * 86_400_000).toISOString().slice(0, 10);
  const look = { x: '0.5', probability: '0.5' };
  await logDay(bench, day(0), { ...look, label: `CASE WHEN i % 2 = 0 THEN '0' END` });
  await logDay(bench, day(1), look);
  const window = dayWindow(day(1));
  const first = await bench.run(monitor, { model: 'm', window });
  const { staleTicks } = createMonitor({ ...bench.deps, post: async () => {} });
  const next = { model: 'm', window: dayWindow(day(2)) };
  assert.deepEqual(await bench.run(staleTicks, next), [], 'nothing has come since');
  await relabel(day(0));
  assert.deepEqual(await bench.run(staleTicks, next), [window]);
  const stands = await bench.run(monitor, { model: 'm', window });
  assert.equal(stands.record.sha256, first.record.sha256, 'the first look stands');
  const again = await bench.run(monitor, { model: 'm', window, again: true });
  assert.equal(again.changed, true);
  const record = await readJsonBlob(bench.store, again.record, TickRecord);
  assert.equal(record.quality?.metrics['accuracy'], 1);
  assert.equal(record.version, 1);
  const twice = await bench.run(monitor, { model: 'm', window, again: true });
  assert.deepEqual([twice.changed, twice.record.sha256], [false, again.record.sha256]);
  assert.deepEqual(await bench.run(staleTicks, next), [], 'all its labels are there');
});

/** What really happened was 1, it is known two days later. */
async function relabel(day: string): Promise<void> {
  const db = await bench.deps.openDuckDb(bench.folder);
  const path = `${bench.folder}/late.parquet`;
  await db.run(
    `COPY (SELECT '${day}/' || i AS id, '1' AS label, TIMESTAMP '2001-06-01' AS time FROM range(500) t(i))
      TO '${path}' (FORMAT parquet)`,
  );
  await db.close();
  await bench.store.createFromFile(
    'labels/m/2001-06-01/late.parquet',
    path,
    'application/vnd.apache.parquet',
  );
}
