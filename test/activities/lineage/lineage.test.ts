/** What is told of real stages and ticks, without a server: the same run however often, and all of it after a kill. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createIngest } from '../../../activities/ingest/index.ts';
import { createLineage } from '../../../activities/lineage/index.ts';
import { runIdOf } from '../../../activities/lineage/events.ts';
import type { RunEvent } from '../../../activities/lineage/events.ts';
import { stageRun, Teller } from '../../../activities/lineage/runs.ts';
import { createMonitor } from '../../../activities/monitor/index.ts';
import { createValidate } from '../../../activities/validate/index.ts';
import { PinnedProject } from '../../../contracts/project.ts';
import type { Making } from '../../../infra/openlineage.ts';
import { readJsonBlob } from '../../../infra/store/json.ts';
import { openLineageSchemas } from '../../support/openlineage.ts';
import { dayWindow, logDay, serve } from '../../support/served.ts';
import { csv, january, openBench, project } from '../../support/stage.ts';
import type { Bench } from '../../support/stage.ts';

let bench: Bench;
before(async () => (bench = await openBench()));
after(() => bench.close());

const lifecycleId = 'lifecycle/m/1';

/** A worker's, over the store of this file. Told is what was put together so far. */
function worker() {
  const told: RunEvent[] = [];
  let line = Promise.resolve();
  const tell = (making: Making) => {
    line = line.then(async () => void told.push(...((await making()) as RunEvent[])));
  };
  const receiver = { namespace: 'esteira', tell, idle: () => line, close: async () => {} };
  const lineage = createLineage({ store: bench.store, receiver, version: '0.0.0' });
  return { told, lineage, idle: () => line };
}

const named = (events: readonly RunEvent[]) => events.map(({ job, eventType }) => `${job.name} ${eventType}`);

async function ingested() {
  await bench.write('rows.csv', csv(1_000));
  const input = { lifecycleId, project: await bench.pin(project()), window: january };
  return { input, output: await bench.run(createIngest(bench.deps).ingest, input) };
}

test('ids of runs are those of RFC 9562, version 5', () => {
  // Its own example, section A.4: www.example.com in the namespace of names.
  const names = '6ba7b810-9dad-11d1-80b4-00c04fd430c8';
  assert.equal(runIdOf(names, 'www.example.com'), '2ed6657d-e927-568b-95e1-2665a8aea6a2');
});

test('a project in git says at which commit it was, and who owns it', async (t) => {
  const pinned = await readJsonBlob(bench.store, await bench.pin(project()), PinnedProject);
  const teller = new Teller({
    version: '0.0.0',
    namespace: 'ml',
    storeId: '6ba7b810-9dad-11d1-80b4-00c04fd430c8',
  });
  const about = { pinned: { ...pinned, gitCommit: 'c0ffee' }, window: january };
  const moment = { type: 'FAIL' as const, at: january.until, error: 'no' };
  const event = teller.event(stageRun(lifecycleId, 'train'), moment, { inputs: [], outputs: [] }, about);
  assert.deepEqual([event.job.namespace, event.job.name], ['ml', 'm.train']);
  assert.equal(event.job.facets['sourceCodeLocation']!['version'], 'c0ffee');
  assert.deepEqual(event.job.facets['ownership']!['owners'], [{ name: 'ana' }]);
  const faultsOf = await openLineageSchemas();
  if (typeof faultsOf === 'string') return t.skip(faultsOf);
  assert.deepEqual(await faultsOf(event), []);
});

test('a second attempt, on another worker, is the same run', async () => {
  const { input } = await ingested();
  const [first, second] = [worker(), worker()];
  for (const { lineage } of [first, second]) lineage.began({ type: 'ingest', input, runId: 'r' });
  await Promise.all([first.idle(), second.idle()]);
  assert.deepEqual(named(first.told), ['m START', 'm.ingest START']);
  assert.equal(first.told[1]!.run.runId, second.told[1]!.run.runId);
  first.lineage.began({ type: 'ingest', input, runId: 'r' });
  await first.idle();
  assert.equal(first.told.length, 2, 'and begins once');
});

test('what a killed worker had not told is told from the records when the lifecycle is over', async () => {
  const { input, output: dataset } = await ingested();
  await bench.run(createValidate(bench.deps).validate, { lifecycleId, project: input.project, dataset });
  const { lineage, told } = worker();
  lineage.ended(
    { type: 'prepare', input: { lifecycleId }, runId: 'r' },
    { error: 'no room', cancelled: false },
    false,
  );
  await lineage.settle({ lifecycleId, status: 'failed' });
  assert.deepEqual(named(told), [
    ...[
      'm START',
      'm.ingest START',
      'm.ingest COMPLETE',
      'm.validate START',
      'm.validate COMPLETE',
      'm FAIL',
    ],
  ]);
  assert.equal(told.at(-1)!.run.facets['errorMessage']!['message'], 'no room');
  await lineage.settle({ lifecycleId, status: 'failed' });
  assert.equal(told.length, 6, 'once is enough');
});

test('a stage that was begun and left no record ends with its lifecycle', async () => {
  const prepare = { lifecycleId, project: await bench.pin(project()), dataset: (await ingested()).output };
  const failing = { ...bench.deps, openDuckDb: () => Promise.reject(new Error('no disk')) };
  await bench.run(createValidate(failing).validate, prepare).catch(() => undefined);
  await bench.store.delete(`runs/${lifecycleId}/validate/record.json`);
  const { lineage, told } = worker();
  await lineage.settle({ lifecycleId, status: 'cancelled' });
  assert.deepEqual(named(told).slice(3), ['m.validate START', 'm.validate ABORT', 'm ABORT']);
});

test('a reproduction is nobody’s run', async () => {
  const { input } = await ingested();
  const { lineage, told, idle } = worker();
  const attempt = { type: 'ingest', input: { ...input, lifecycleId: 'reproduce/m/1' }, runId: 'r' };
  lineage.began(attempt);
  lineage.ended(attempt, { output: {} }, true);
  await lineage.settle({ lifecycleId: 'reproduce/m/1', status: 'failed' });
  await idle();
  assert.deepEqual(told, []);
});

test('a tick tells rows, what has drifted and what the version was judged by', async (t) => {
  await serve(bench);
  for (const day of ['2001-02-01', '2001-02-02']) await logDay(bench, day, { x: '0.95' });
  const input = { model: 'm', window: dayWindow('2001-02-02') };
  const { monitor } = createMonitor({ ...bench.deps, post: async () => {} });
  const { lineage, told, idle } = worker();
  const attempt = { type: 'monitor', input, runId: 'r' };
  lineage.began(attempt);
  lineage.ended(attempt, { output: await bench.run(monitor, input) }, true);
  await idle();
  assert.deepEqual(named(told), ['m.monitor START', 'm.monitor COMPLETE']);
  const [log, labels, version] = told[1]!.inputs;
  assert.match(log!.name, /\/store\/predictions\/m$/);
  assert.equal(log!.inputFacets!['inputStatistics']!['rowCount'], 500);
  const assertions = log!.inputFacets!['dataQualityAssertions']!['assertions'] as Record<string, unknown>[];
  assert.deepEqual(
    assertions.map(({ column, success }) => [column, success]),
    [
      ['in_x', false],
      ['in_city', true],
      ['out_probability', true],
    ],
  );
  assert.equal(labels!.inputFacets!['inputStatistics']!['rowCount'], 500);
  assert.equal(version!.facets['version']!['datasetVersion'], '1');
  const faultsOf = await openLineageSchemas();
  if (typeof faultsOf === 'string') return t.skip(faultsOf);
  for (const event of told) assert.deepEqual(await faultsOf(event), []);
});
