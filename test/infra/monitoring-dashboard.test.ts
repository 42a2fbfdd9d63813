/** The dashboard of monitoring against what is told, and each of its questions against a real Prometheus. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createMonitor } from '../../activities/monitor/index.ts';
import { serveMetrics } from '../../client/monitoring/metrics-server.ts';
import type { MetricsServer } from '../../client/monitoring/metrics-server.ts';
import { monitoringMetrics } from '../../client/monitoring/metrics.ts';
import { noPrometheus, startPrometheus } from '../support/prometheus.ts';
import { dayWindow, logDay, serve } from '../support/served.ts';
import { openBench } from '../support/stage.ts';
import type { Bench } from '../support/stage.ts';

interface Dashboard {
  panels: { title: string; targets: { expr: string }[] }[];
  templating: { list: { query: string | { query: string } }[] };
}

let bench: Bench;
let server: MetricsServer;
let text: string;
let dashboard: string;

before(async () => {
  bench = await openBench();
  await serve(bench);
  const { monitor } = createMonitor({ ...bench.deps, post: async () => {} });
  for (const day of ['2001-02-01', '2001-02-02']) {
    await logDay(bench, day, { x: '0.95' });
    await bench.run(monitor, { model: 'm', window: dayWindow(day) });
  }
  const metrics = monitoringMetrics(bench.store);
  text = await metrics();
  server = await serveMetrics(metrics, { host: '127.0.0.1', port: 0 });
  dashboard = await readFile(new URL('../../infra/dashboards/monitoring.json', import.meta.url), 'utf8');
});
after(async () => {
  await server.close();
  await bench.close();
});

const named = (words: string) =>
  [...new Set([...words.matchAll(/esteira_monitoring_[a-z0-9_]+/g)].map(([name]) => name))].toSorted();
const told = () => [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!);

test('every number that the dashboard shows is one that is told', () => {
  assert(named(dashboard).length > 15);
  assert.deepEqual(
    named(dashboard).filter((name) => !told().includes(name)),
    [],
  );
});

test('every number that is told is in the documentation', async () => {
  const page = await readFile(new URL('../../docs/monitoring.md', import.meta.url), 'utf8');
  assert.deepEqual(
    told().filter((name) => !page.includes(`\`${name.replace('esteira_monitoring_', '')}`)),
    [],
  );
});

/** Of this store: no replica has served, nothing is forecast, nothing has asked for a lifecycle, no book of alerts. */
const empty = [
  'Share that failed',
  '99 % of answers within',

  'Days until a limit',
  'Triggers of the last 24 hours',
  'What asked for a lifecycle',
  'Alerts by',
];

test('promtool has nothing to say against it', { skip: noPrometheus() ?? false }, () => {
  assert.equal(execFileSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' }), '');
  const scrapes = fileURLToPath(new URL('../../infra/compose/prometheus.yaml', import.meta.url));
  assert.match(execFileSync('promtool', ['check', 'config', scrapes], { encoding: 'utf8' }), /SUCCESS/);
});

test('Prometheus answers each of its questions', { skip: noPrometheus() ?? false }, async () => {
  const { panels, templating } = JSON.parse(dashboard) as Dashboard;
  const prometheus = await startPrometheus(server.url);
  const asked = (query: string) =>
    prometheus.series(
      query.replaceAll('$model', '.*').replaceAll('$metric', 'log_loss').replaceAll('$__rate_interval', '1m'),
    );
  const silent: string[] = [];
  for (const { title, targets } of panels) {
    const [first, ...others] = targets;
    if ((await asked(first!.expr)) === 0 && !empty.some((word) => title.startsWith(word))) silent.push(title);
    for (const { expr } of others) await asked(expr);
  }
  for (const { query } of templating.list) {
    const [, labelled] =
      /^label_values\((.*), \w+\)$/.exec(typeof query === 'string' ? query : query.query) ?? [];
    if (labelled !== undefined) assert((await asked(labelled)) > 0, labelled);
  }
  await assert.rejects(asked('sum('), /parse error/);
  await prometheus.close();
  assert.deepEqual(silent, []);
});
