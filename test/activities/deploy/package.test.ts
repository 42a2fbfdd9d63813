/** The belt from rows to a package, stage by stage, for each task: what was packed is what was evaluated. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createDeploy } from '../../../activities/deploy/index.ts';
import { createEvaluate } from '../../../activities/evaluate/index.ts';
import { createIngest } from '../../../activities/ingest/index.ts';
import { createMonitor } from '../../../activities/monitor/index.ts';
import { createPrepare } from '../../../activities/prepare/index.ts';
import { createTrain } from '../../../activities/train/index.ts';
import type { Verdict } from '../../../contracts/approval.ts';
import type { Task } from '../../../contracts/project.ts';
import { Golden, Package } from '../../../contracts/serving.ts';
import { forkModule } from '../../../infra/child.ts';
import { score } from '../../../infra/onnx/score.ts';
import { createJson, readBytes, readJsonBlob } from '../../../infra/store/json.ts';
import { dayWindow } from '../../support/served.ts';
import { csv, january, openBench, project } from '../../support/stage.ts';
import type { Bench } from '../../support/stage.ts';

let bench: Bench;
before(async () => {
  bench = await openBench();
  await bench.write('rows.csv', csv(3_000));
});
after(() => bench.close());

const labels: Record<Task, string> = {
  'binary-classification': 'y',
  'multiclass-classification': `city || CASE WHEN x > 0.5 THEN '+' ELSE '-' END`,
  regression: 'x * 10 + y',
};

async function packed(task: Task) {
  const model = task.slice(0, 5).replace('-', '');
  const pinned = await bench.pin({
    ...project({ model, task, label: 'answer' }),
    query: `SELECT *, ${labels[task]} AS answer FROM event`,
    split: { by: 'random', seed: 1 },
    trainer: { backend: 'onnx', epochs: 3, batchSize: 64, learningRate: 0.02 },
    gates: {},
  });
  const common = { lifecycleId: `lifecycle/${model}/1`, project: pinned };
  const deps = { ...bench.deps, forkModule };
  const dataset = await bench.run(createIngest(deps).ingest, { ...common, window: january });
  const prepared = await bench.run(createPrepare(deps).prepare, { ...common, dataset });
  const candidate = await bench.run(createTrain(deps).train, { ...common, prepared });
  const scorecard = await bench.run(createEvaluate(deps).evaluate, { ...common, prepared, candidate });
  const verdict: Verdict = {
    ...{ requestId: `${model}/1`, status: 'approved', policy: 'auto', decisions: [], at: january.until },
    subject: {
      model,
      modelDigest: candidate.model.sha256,
      datasetDigest: dataset.digest,
      scorecardDigest: scorecard.scorecard.sha256,
      policyDigest: 'b'.repeat(64),
    },
  };
  const update = async () => ({ version: 1 });
  const { deploy } = createDeploy({
    ...deps,
    score,
    models: { update },
    schedule: async () => {},
  });
  const input = { ...common, dataset, prepared, candidate, scorecard, verdict, window: january };
  const { package: artifact } = await bench.run(deploy, input);
  return { model, artifact, made: await readJsonBlob(bench.store, artifact, Package), scorecard };
}

for (const task of Object.keys(labels) as Task[]) {
  test(`${task}: the packed model repeats its golden batch, alone and together`, async () => {
    const { made } = await packed(task);
    const golden = await readJsonBlob(bench.store, made.golden, Golden);
    const path = await bench.store.localPath(made.onnx);
    const width = golden.outputs.length / golden.rows;
    assert.equal(width, task === 'multiclass-classification' ? 6 : 1);
    for (const row of [0, golden.rows - 1]) {
      const alone = Object.fromEntries(
        Object.entries(golden.inputs).map(([name, values]) => [name, [values[row]!]]),
      );
      const expected = golden.outputs.slice(row * width, (row + 1) * width);
      const actual = await score(path, made.signature, alone);
      actual.forEach((value, i) => assert.ok(Math.abs(value - expected[i]!) <= golden.tolerance));
    }
  });
}

test('the card and the reference say what was trained and on what', async () => {
  const { made, scorecard } = await packed('binary-classification');
  const card = new TextDecoder().decode(await readBytes(bench.store, made.card));
  assert.match(card, /^---\nmodel: binar\n/);
  assert.match(card, new RegExp(`rows it never saw`));
  assert.match(card, /\| x \| FP64 \| yes \|/);
  assert.equal(made.metrics['roc_auc'], scorecard.metrics['roc_auc']!.value);
  assert.deepEqual(
    made.reference.map(({ name, kind }) => [name, kind]),
    [
      ['x', 'number'],
      ['city', 'category'],
      ['probability', 'number'],
    ],
  );
  for (const { rows, nulls, counts } of made.reference) {
    assert.equal(
      counts.reduce((sum, n) => sum + n, nulls),
      rows,
    );
  }
});

test('multiclass predictions are monitored with their labels by name', async () => {
  const { model, artifact, made } = await packed('multiclass-classification');
  const slots = {
    model,
    epoch: 1,
    challenger: null,
    previous: null,
    reason: 'x',
    by: 'x',
    at: january.until,
  };
  await createJson(bench.store, `models/${model}/current.json`, {
    ...slots,
    champion: { version: 1, package: artifact },
  });
  const db = await bench.deps.openDuckDb(bench.folder);
  const path = `${bench.folder}/log.parquet`;
  const probabilities = `[${made.signature.classes.map((_, k) => `CASE WHEN i % 6 = ${k} THEN 0.9 ELSE 0.02 END::FLOAT`).join(', ')}]`;
  const names = `['${made.signature.classes.join(`', '`)}']`;
  await db.run(`COPY (SELECT 'p' || i AS id, TIMESTAMP '2001-02-01 12:00:00' AS time, 1 AS version, 'champion' AS route, 0.5 AS in_x,
    'ATL' AS in_city, ${probabilities} AS out_probabilities FROM range(300) t(i)) TO '${path}' (FORMAT parquet)`);
  await bench.store.createFromFile(`predictions/${model}/2001-02-01/12/r-1.parquet`, path, 'x');
  await db.run(`COPY (SELECT 'p' || i AS id, ${names}[i % 6 + 1] AS label, TIMESTAMP '2001-02-02 12:00:00' AS time
    FROM range(300) t(i)) TO '${path}' (FORMAT parquet)`);
  await bench.store.createFromFile(`labels/${model}/2001-02-02/r-1.parquet`, path, 'x');
  await db.close();
  const { monitor } = createMonitor({ ...bench.deps, post: async () => {}, log: { warn: () => {} } });
  const tick = await bench.run(monitor, { model, window: dayWindow('2001-02-02') });
  const record = JSON.parse(new TextDecoder().decode(await readBytes(bench.store, tick.record)));
  assert.equal(record.quality.metrics.accuracy, 1);
  assert.equal(record.quality.labelled, 300);
});
