/** A real stack that tells a receiver of OpenLineage events: what is there of lifecycles that ended well and badly. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { RunEvent } from '../../activities/lineage/events.ts';
import { stageNames } from '../../contracts/stage.ts';
import { openBelt } from '../support/belt.ts';
import type { Belt } from '../support/belt.ts';
import { openLineageSchemas } from '../support/openlineage.ts';
import { openReceiver } from '../support/receiver.ts';
import type { Receiver } from '../support/receiver.ts';
import { replayAll } from '../support/replay.ts';
import { january } from '../support/stage.ts';
import { until } from '../support/until.ts';

let belt: Belt;
let receiver: Receiver;
const schemas = await openLineageSchemas();

before(async () => {
  receiver = await openReceiver();
  // Workers inherit them.
  process.env['OPENLINEAGE_URL'] = receiver.url;
  process.env['OPENLINEAGE_API_KEY'] = 'a-key';
  belt = await openBelt({ ESTEIRA_GPUS: 'none' });
});
after(async () => {
  await belt.close();
  await receiver.close();
});

const events = (): RunEvent[] => receiver.got.map((one) => one.json() as RunEvent);
const ofJob = (name: string) => events().filter(({ job }) => job.name === name);
const types = (name: string) => ofJob(name).map(({ eventType }) => eventType);
const last = (name: string, type: RunEvent['eventType']) =>
  ofJob(name).findLast(({ eventType }) => eventType === type)!;

test('each stage begins and is completed once, under the lifecycle', async () => {
  const checks = [{ check: 'not-null' as const, column: 'x' }];
  const retrain = { rules: [{ on: 'drift' as const, features: 2 }] };
  const folder = await belt.project('told', { checks, retrain, description: 'Tells.' });
  assert.equal((await belt.esteira.outcome(await belt.start(folder))).status, 'deployed');
  const [lifecycle] = ofJob('told');
  for (const stage of stageNames.slice(0, 7)) {
    assert.deepEqual(types(`told.${stage}`), ['START', 'COMPLETE'], stage);
    const [start, end] = ofJob(`told.${stage}`);
    assert.equal(start!.run.runId, end!.run.runId);
    assert.deepEqual(end!.run.facets['parent']!['run'], { runId: lifecycle!.run.runId });
    assert.equal(end!.run.facets['nominalTime']!['nominalEndTime'], january.until);
  }
  assert.deepEqual(types('told'), ['START', 'COMPLETE']);
  assert.deepEqual(last('told', 'COMPLETE').run.facets['tags']!['tags'], [
    { key: 'outcome', value: 'deployed', source: 'ESTEIRA' },
  ]);
  const [first] = receiver.got;
  assert.equal(first!.path, '/api/v1/lineage');
  assert.equal(first!.headers['authorization'], 'Bearer a-key');
});

test('what one stage wrote is what the next one reads, from the sources to the version', () => {
  const out = (stage: string) => last(`told.${stage}`, 'COMPLETE').outputs[0]!;
  const read = (stage: string) =>
    last(`told.${stage}`, 'COMPLETE').inputs.map(({ name, facets }) => [
      name,
      facets['version']?.['datasetVersion'],
    ]);
  const named = (stage: string) => [out(stage).name, out(stage).facets['version']!['datasetVersion']];
  for (const [writer, reader] of [
    ...[
      ['ingest', 'validate'],
      ['ingest', 'prepare'],
      ['prepare', 'train'],
      ['train', 'evaluate'],
    ],
    ...[
      ['train', 'approve'],
      ['evaluate', 'approve'],
      ['approve', 'deploy'],
    ],
  ] as const) {
    assert.deepEqual(
      read(reader).filter(([name]) => name === out(writer).name),
      [named(writer)],
      `${writer} to ${reader}`,
    );
  }
  assert.match(last('told.ingest', 'COMPLETE').inputs[0]!.name, /projects\/told\/rows\.csv$/);
  assert.deepEqual(named('deploy').at(-1), '1');
});

test('facets tell schema, counts, quality, columns and the query', () => {
  const ingested = last('told.ingest', 'COMPLETE');
  assert.match(String(ingested.job.facets['sql']!['query']), /SELECT \* FROM event/);
  const [rows] = ingested.outputs;
  assert.equal(rows!.outputFacets!['outputStatistics']!['rowCount'], 4_000);
  assert.equal((rows!.facets['schema']!['fields'] as unknown[]).length, 5);
  const checked = last('told.validate', 'COMPLETE').inputs[0]!.inputFacets!;
  assert.equal(checked['dataQualityMetrics']!['rowCount'], 4_000);
  const [notNull] = checked['dataQualityAssertions']!['assertions'] as Record<string, unknown>[];
  assert.deepEqual(notNull, {
    ...{ assertion: 'not-null', success: true, name: 'not-null(x)', severity: 'error', column: 'x' },
  });
  const [prepared] = last('told.prepare', 'COMPLETE').outputs;
  const { fields } = prepared!.facets['columnLineage'] as unknown as {
    fields: Record<string, { inputFields: { name: string; field: string }[] }>;
  };
  assert.deepEqual(Object.keys(fields).toSorted(), ['city', 'label', 'x']);
  assert.equal(fields['label']!.inputFields[0]!.field, 'y');
  assert.equal(fields['x']!.inputFields[0]!.name, rows!.name);
});

test('bad data is an end as good as any, and names the check that is broken', async () => {
  const checks = [{ check: 'range' as const, column: 'x', max: 0.1 }];
  const outcome = await belt.esteira.outcome(await belt.start(await belt.project('bad', { checks })));
  assert.equal(outcome.status, 'bad-data');
  assert.deepEqual(types('bad.validate'), ['START', 'COMPLETE']);
  const facet = last('bad.validate', 'COMPLETE').inputs[0]!.inputFacets!['dataQualityAssertions']!;
  const [broken] = facet['assertions'] as { success: boolean; description: string }[];
  assert.equal(broken!.success, false);
  assert.match(broken!.description, /of 4000 rows/);
  assert.deepEqual(types('bad'), ['START', 'COMPLETE']);
});

test('a stage that fails says why, and so does its lifecycle', async () => {
  const lifecycleId = await belt.start(await belt.project('broken', { query: 'SELECT nothing FROM event' }));
  await assert.rejects(belt.esteira.outcome(lifecycleId));
  for (const job of ['broken.ingest', 'broken']) {
    assert.deepEqual(types(job), ['START', 'FAIL'], job);
    assert.match(
      String(last(job, 'FAIL').run.facets['errorMessage']!['message']),
      /the query of broken fails/,
    );
  }
});

test('a tick is a run under the lifecycle that made what it watches, and the rules follow it', async () => {
  await belt.esteira.client.workflow.execute('monitor', {
    ...{ taskQueue: 'esteira-cpu', workflowId: 'monitor-told-by-hand' },
    args: [{ model: 'told', everyMs: 86_400_000, window: january }],
  });
  await until(() => types('told.retrain').includes('COMPLETE'));
  assert.deepEqual(types('told.monitor').slice(0, 2), ['START', 'COMPLETE']);
  const end = last('told.monitor', 'COMPLETE');
  assert.deepEqual(end.run.facets['parent']!['run'], { runId: ofJob('told')[0]!.run.runId });
  assert(end.inputs.some(({ name }) => name.endsWith('/models/told')));
  assert.equal(last('told.retrain', 'COMPLETE').inputs[0]!.name, end.outputs[0]!.name);
});

test(
  'every event and every facet fits the schema that it names',
  { skip: typeof schemas === 'string' ? schemas : false },
  async () => {
    const faultsOf = schemas as Exclude<typeof schemas, string>;
    const faults = new Set<string>();
    for (const event of events()) for (const fault of await faultsOf(event)) faults.add(fault);
    assert.deepEqual([...faults], []);
    const [event] = events();
    const { runId: _, ...without } = event!.run;
    assert.notDeepEqual(await faultsOf({ ...event!, run: without as RunEvent['run'] }), []);
  },
);

test('replay: this code retells every run of this file', async () => {
  assert((await replayAll(belt.esteira.client))['lifecycle']! >= 3);
});
