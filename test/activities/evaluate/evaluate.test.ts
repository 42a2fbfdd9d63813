/** The evaluate stage over a small belt: real scoring process, real store, a champion, and drills. */
import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { Scorecard } from '../../../contracts/evaluation.ts';
import { failedWith } from '../../../contracts/failures.ts';
import type { Input, Output } from '../../../contracts/lifecycle.ts';
import { PinnedProject } from '../../../contracts/project.ts';
import type { Project } from '../../../contracts/project.ts';
import { createEvaluate } from '../../../activities/evaluate/index.ts';
import { createTrain } from '../../../activities/train/index.ts';
import { forkModule } from '../../../infra/child.ts';
import { putJsonBlob, readJsonBlob } from '../../../infra/store/json.ts';
import { openBelt, prepared, projectOf } from '../prepare/belt.ts';
import type { Belt } from '../prepare/belt.ts';

let belt: Belt;
before(async () => {
  belt = await openBelt();
});
after(() => rm(belt.folder, { recursive: true }));

const lifecycleId = 'lifecycle/tested/1';
/** x says much about the label, y a little; `town` slices, with nulls. */
const rows = `SELECT i AS id, TIMESTAMP '2001-01-01' + to_minutes(i) AS at, x, y, x + y / 4 + noise > 0.7 AS late,
  CASE WHEN i % 10 = 0 THEN NULL WHEN i % 400 = 1 THEN 'rare' ELSE 'town ' || (i % 3) END AS town
  FROM (SELECT CAST(i AS BIGINT) AS i, hash(i) % 1000 / 1000 AS x, hash(i + 0.5) % 1000 / 1000 AS y,
    hash(i + 0.25) % 1000 / 5000 AS noise FROM range(5000) AS r(i))`;
const trainer = { backend: 'onnx', epochs: 8, batchSize: 128, learningRate: 0.03 };

async function trained(project: Project, sql = rows, shuffle = false) {
  const made = await prepared(belt, project, sql, shuffle);
  const input: Input<'train'> = { lifecycleId, project: made.project, prepared: made.prepared };
  const { train } = createTrain({ ...belt, forkModule });
  const env = new MockActivityEnvironment();
  const candidate = await env.run<[Input<'train'>], Output<'train'>, typeof train>(train, input);
  return { ...input, candidate };
}

function evaluated(input: Input<'evaluate'>, env = new MockActivityEnvironment()) {
  const { evaluate } = createEvaluate({ ...belt, forkModule });
  return env.run<[Input<'evaluate'>], Output<'evaluate'>, typeof evaluate>(evaluate, input);
}

const gates = { roc_auc: { min: 0.9, notWorseThanChampionBy: 0.01 }, roc_auc_gap: { max: 0.1 } };
const good = () => projectOf({ features: { x: {}, y: {} }, trainer, gates, slices: ['town'] });

test('a good model beats a poor champion on the same rows, and the report says so', async () => {
  const { candidate: poor } = await trained(projectOf({ features: { y: {} }, trainer }));
  const input: Input<'evaluate'> = await trained(good());
  input.champion = { version: 4, model: poor.model };
  const summary = await evaluated(input);
  assert.ok(summary.passed, JSON.stringify(summary.gates));
  assert.equal(summary.rows, 1_000);

  const scorecard = await readJsonBlob(belt.store, summary.scorecard, Scorecard);
  const { champion, metrics, confusion, roc, slices, predictions } = scorecard;
  assert.equal(champion?.version, 4);
  assert.ok(champion.difference['roc_auc']!.low! > 0.1, 'its interval leaves no doubt');
  assert.ok(metrics['roc_auc']!.low! < metrics['roc_auc']!.value!);
  assert.deepEqual(confusion?.classes, ['false', 'true']);
  assert.equal(
    confusion.counts.flat().reduce((sum, count) => sum + count, 0),
    1_000,
  );
  assert.ok(roc!.length <= 200 && roc!.at(-1)!.tpr === 1);
  assert.deepEqual(slices.map(({ value }) => value).toSorted(), ['(missing)', 'town 0', 'town 1', 'town 2']);
  assert.equal(
    predictions.counts.reduce((sum, count) => sum + count, 0),
    1_000,
  );

  const html = await readFile(await belt.store.localPath(summary.report), 'utf8');
  assert.match(html, /Meets all 3 gates/);
  assert.ok(html.includes(input.candidate.model.sha256) && !html.includes('<script') && html.length < 1e6);
  assert.equal((await evaluated(input)).scorecard.sha256, summary.scorecard.sha256, 'twice is once');
});

test('a model of shuffled labels has learned nothing, and misses its gates', async () => {
  // A pattern that no direction separates: of one that does, half of all directions would seem to know it.
  const pattern = rows.replace('x + y / 4 + noise > 0.7 AS late', '(x > 0.5) <> (y > 0.5) AS late');
  const summary = await evaluated(await trained(good(), pattern, true));
  assert.equal(summary.passed, false);
  assert.ok(
    Math.abs(summary.metrics['roc_auc']!.value! - 0.5) < 0.1,
    JSON.stringify(summary.metrics['roc_auc']),
  );
});

test('gates that moved after they were frozen are refused', async () => {
  const input = await trained(good());
  const pinned = await readJsonBlob(belt.store, input.project, PinnedProject);
  pinned.project.gates = { roc_auc: { min: 0.1 } };
  const moved = { ...input, project: await putJsonBlob(belt.store, pinned) };
  await assert.rejects(evaluated(moved), (error) => failedWith(error, 'DigestMismatch'));
});

test('a holdout of one class can tell no model from another', async () => {
  const late = rows.replace('x + y / 4 + noise > 0.7 AS late', 'i < 4000 AND x > 0.5 AS late');
  const input = await trained(projectOf({ features: { x: {} }, trainer }), late);
  await assert.rejects(evaluated(input), (error) => failedWith(error, 'UnscorableHoldout'));
});

test('regression is judged in the units of its label', async () => {
  const rent = rows.replace(
    'x + y / 4 + noise > 0.7 AS late',
    'CAST(500 + 100 * x + noise AS DOUBLE) AS late',
  );
  const settings = { ...trainer, epochs: 80, patience: 80 };
  const project = projectOf({
    features: { x: {} },
    task: 'regression',
    trainer: settings,
    gates: { rmse: { max: 5 } },
  });
  const summary = await evaluated(await trained(project, rent));
  assert.ok(summary.passed && summary.metrics['r2']!.value! > 0.95, JSON.stringify(summary.metrics));
});
