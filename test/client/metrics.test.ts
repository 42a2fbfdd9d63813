/** Monitoring for Prometheus: real ticks in a real store, and what a scrape says of them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createDeploy } from '../../activities/deploy/index.ts';
import type { DeployDeps } from '../../activities/deploy/index.ts';
import { createMonitor } from '../../activities/monitor/index.ts';
import { createRetrain } from '../../activities/retrain/index.ts';
import type { RetrainDeps } from '../../activities/retrain/index.ts';
import { monitoringMetrics } from '../../client/monitoring/metrics.ts';
import type { Book, BookAlert } from '../../contracts/alerts.ts';
import type { Trigger } from '../../contracts/lifecycle.ts';
import type { Disposition } from '../../contracts/model.ts';
import { createJson } from '../../infra/store/json.ts';
import { labels } from '../../infra/exposition.ts';
import { dayWindow, logDay, serve } from '../support/served.ts';
import { january, openBench } from '../support/stage.ts';
import type { Bench } from '../support/stage.ts';

let bench: Bench;
before(async () => {
  bench = await openBench();
  await serve(bench);
});
after(() => bench.close());

/** Without what is between quotes of others. */
const sampleOf = (text: string, series: string): number | undefined => {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
};
const ofModel = (name: string, more = '') => `esteira_monitoring_${name}{model="m"${more}}`;

async function tick(day: string): Promise<void> {
  const { monitor } = createMonitor({ ...bench.deps, post: async () => {} });
  await bench.run(monitor, { model: 'm', window: dayWindow(day) });
}

test('the newest window is told: traffic, drift, and quality beside what it was at evaluation', async () => {
  for (const day of ['2001-02-01', '2001-02-02']) {
    await logDay(bench, day, { x: '0.95' });
    await tick(day);
  }
  await tick('2001-02-01'); // looked at again: not the newest
  const text = await monitoringMetrics(bench.store)();
  assert.equal(sampleOf(text, ofModel('champion_version')), 1);
  assert.equal(
    sampleOf(text, ofModel('window_end_timestamp_seconds')),
    Date.parse('2001-02-03T00:00:00.000Z') / 1_000,
  );
  assert.equal(sampleOf(text, ofModel('rows')), 500);
  assert.equal(sampleOf(text, ofModel('columns_compared')), 3);
  assert(sampleOf(text, ofModel('column_psi', ',column="x"'))! > 0.25);
  assert.equal(sampleOf(text, ofModel('psi_worst')), sampleOf(text, ofModel('column_psi', ',column="x"')));
  assert.equal(sampleOf(text, ofModel('label_coverage_ratio')), 1);
  const logLoss = (source: string) =>
    sampleOf(text, ofModel('metric', `,metric="log_loss",source="${source}"`));
  assert(Math.abs(logLoss('realised')! + Math.log(0.8)) < 1e-6);
  assert.equal(logLoss('evaluation'), 0.3);
  assert(
    sampleOf(text, ofModel('metric_low', ',metric="log_loss",source="realised"'))! <= logLoss('realised')!,
  );
  assert.equal(sampleOf(text, ofModel('alerts_open', ',kind="",severity="",state=""')), 0);
  assert.equal(sampleOf(text, 'esteira_monitoring_read_faults_total'), 0);
});

test('a lifecycle is in flight from its answer until its end, also when they are told twice and out of order', async () => {
  const trigger: Trigger = { id: 'a', kind: 'drift', by: 'monitor', reason: 'x', at: january.until };
  const { recordDisposition } = createRetrain(bench.deps as unknown as RetrainDeps);
  const { tellSettled } = createDeploy({
    ...bench.deps,
    models: { update: async () => ({}) },
  } as unknown as DeployDeps);
  const answered = (id: string, disposition: Disposition) =>
    bench.run(recordDisposition, { model: 'm', request: { trigger: { ...trigger, id } }, disposition });
  const settled = (n: number) =>
    bench.run(tellSettled, {
      model: 'm',
      lifecycleId: `lifecycle/m/${n}`,
      status: 'deployed',
      updateId: 'u',
    });
  const inFlight = async () =>
    sampleOf(await monitoringMetrics(bench.store)(), ofModel('lifecycle_in_flight'));
  assert.equal(await inFlight(), 0);
  await answered('drift/1', { status: 'started', lifecycleId: 'lifecycle/m/9' });
  assert.equal(await inFlight(), 1);
  await settled(9);
  assert.equal(await inFlight(), 0);
  await answered('drift/1', { status: 'started', lifecycleId: 'lifecycle/m/9' });
  assert.equal(await inFlight(), 0);
  await answered('drift/2', { status: 'started', lifecycleId: 'lifecycle/m/10' });
  await settled(9);
  assert.equal(await inFlight(), 1);
  await answered('drift/3', { status: 'ignored', why: 'cooldown', code: 'cooldown' });
  const text = await monitoringMetrics(bench.store)();
  const triggers = (disposition: string, why = '') =>
    sampleOf(text, ofModel('triggers_last_day', `,kind="drift",disposition="${disposition}",why="${why}"`));
  assert.deepEqual([triggers('started'), triggers('ignored', 'cooldown')], [2, 1]);
});

test('open alerts and messages that nobody took are counted; an object that is broken hides none of it', async () => {
  const alert: BookAlert = {
    ...{
      id: 1,
      key: 'drift/x',
      kind: 'drift',
      severity: 'warning',
      peak: 'warning',
      message: 'x has drifted',
    },
    ...{
      state: 'open',
      since: january.from,
      last: january.until,
      count: 2,
      quiet: 0,
      reopened: 0,
      entries: 1,
    },
    ...{ toldAt: null, snoozedUntil: null, closedAt: null, hushed: false, by: null, reason: null },
  };
  const book: Book = {
    ...{ model: 'm', revision: 1, nextId: 3, settings: null, ticks: [], judgedUntil: {}, untold: 0 },
    alerts: [alert, { ...alert, id: 2, key: 'drift/city' }],
  };
  const line = { sink: 'log', change: 'opened', at: january.until, detail: '' };
  const record = (id: number, state: string) => ({
    ...{ ...alert, id, model: 'm', owner: 'ana', revision: 1, history: [] },
    deliveries: [{ ...line, id: `delivery/m/${id}`, state }],
  });
  await createJson(bench.store, 'alerts/m/book.json', book);
  await createJson(bench.store, 'alerts/m/1.json', record(1, 'pending'));
  await createJson(bench.store, 'alerts/m/2.json', record(2, 'failed'));
  await bench.store.create('models/broken/current.json', '{"model":');
  const text = await monitoringMetrics(bench.store)();
  assert.equal(sampleOf(text, ofModel('alerts_open', ',kind="drift",severity="warning",state="open"')), 2);
  assert.equal(sampleOf(text, ofModel('messages_undelivered', ',state="pending"')), 1);
  assert.equal(sampleOf(text, ofModel('messages_undelivered', ',state="failed"')), 1);
  assert.equal(sampleOf(text, 'esteira_monitoring_read_faults_total'), 1);
  assert.equal(sampleOf(text, 'esteira_monitoring_models'), 2);
});

test('many scrapes are one reading of the store, until it is old', async () => {
  let reads = 0;
  const counting = new Proxy(bench.store, {
    get(store, name) {
      if (name === 'read') reads++;
      const value: unknown = Reflect.get(store, name);
      return typeof value === 'function' ? (value.bind(store) as unknown) : value;
    },
  });
  const text = monitoringMetrics(counting, { refreshMs: 3_600_000 });
  const all = await Promise.all([text(), text(), text()]);
  const once = reads;
  assert.equal(new Set([...all, await text()]).size, 1);
  assert.equal(reads, once);
});

test('`esteira metrics` prints it, or serves it without Temporal', async () => {
  const program = fileURLToPath(new URL('../../client/esteira.mjs', import.meta.url));
  const env = {
    ...process.env,
    ESTEIRA_STORE: bench.store.uri,
    ESTEIRA_HOME: bench.folder,
    TEMPORAL_ADDRESS: '',
  };
  const child = spawn(process.execPath, [program, 'metrics', '--port', '0', '--json'], { env });
  const [said] = (await once(createInterface(child.stdout), 'line')) as [string];
  const { url } = JSON.parse(said) as { url: string };
  const response = await fetch(url);
  assert.match(response.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/);
  assert.equal(sampleOf(await response.text(), ofModel('champion_version')), 1);
  child.kill();
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('labels are written so that nothing in a name ends them', () => {
  assert.equal(labels({ column: 'a "b"\\\n' }), String.raw`column="a \"b\"\\\n"`);
});
