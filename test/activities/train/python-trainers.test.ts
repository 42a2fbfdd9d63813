/** The trainers that ship, each with the packages of its own lock, on a thousand rows. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { TestContext } from 'node:test';
import type { TrainerRequest } from '../../../contracts/trainer.ts';
import type { ReadyTrainer } from '../../../contracts/training.ts';
import { openBelt } from '../prepare/belt.ts';
import type { Belt } from '../prepare/belt.ts';
import { accepted, dataOf, drive, interpreterFor, interpreterOf, ready, said } from './python/drive.ts';
import type { Data, Order, Run } from './python/drive.ts';

let belt: Belt;
let binary: Data;
let multiclass: Data;
let regression: Data;
before(async () => {
  belt = await openBelt();
  binary = await dataOf(belt);
  multiclass = await dataOf(belt, { task: 'multiclass-classification', label: 'kind' });
  regression = await dataOf(belt, { task: 'regression', label: 'rent' });
});
after(() => rm(belt.folder, { recursive: true }));

/** @returns what runs it, or undefined when the test is skipped */
async function trainerOf(t: TestContext, use: ReadyTrainer) {
  const found = await interpreterOf(use);
  if ('absent' in found) return t.skip(found.absent);
  const { python } = found;
  return (data: Data, parameters: Record<string, unknown>, order: Partial<Order> = {}) => {
    const request: Partial<TrainerRequest> = { parameters, ...order.request };
    return drive(data, { python, script: ready(use), ...order, request });
  };
}

test('scikit-learn: whatever converts, for each task', async (t) => {
  const train = await trainerOf(t, 'scikit-learn');
  if (!train) return;
  const forest = { estimator: 'sklearn.ensemble.RandomForestClassifier', n_estimators: 20 };
  const late = await accepted(binary, await train(binary, forest));
  assert.ok(late.metrics['validation_roc_auc']! > 0.8, JSON.stringify(late.metrics));
  assert.ok(late.answers[0]! > 0.6 && late.answers[1]! < 0.5, JSON.stringify(late.answers));

  const logistic = { estimator: 'sklearn.linear_model.LogisticRegression', C: 10 };
  const kind = await accepted(multiclass, await train(multiclass, logistic));
  assert.ok(kind.metrics['validation_accuracy']! > 0.95, JSON.stringify(kind.metrics));
  assert.equal(kind.answers.length, 9);

  const boosting = { estimator: 'sklearn.ensemble.HistGradientBoostingRegressor', max_iter: 100 };
  const rent = await accepted(regression, await train(regression, boosting));
  assert.ok(rent.metrics['validation_rmse']! < 60, JSON.stringify(rent.metrics));
});

test('scikit-learn: what cannot be is refused in one sentence', async (t) => {
  const train = await trainerOf(t, 'scikit-learn');
  if (!train) return;
  const refusals: [Record<string, unknown>, RegExp][] = [
    [{ estimator: 'sklearn.svm.LinearSVC' }, /has no predict_proba/],
    [{ estimator: 'sklearn.linear_model.Ridge' }, /is no classifier/],
    [{ estimator: 'os.system' }, /name one of scikit-learn/],
    [{ estimator: 'sklearn.linear_model.LogisticRegression', depth: 3 }, /has no parameter depth/],
  ];
  for (const [parameters, sentence] of refusals) {
    const { exit, log } = await train(binary, parameters);
    assert.equal(exit.code, 1);
    assert.match(log, sentence);
    assert.doesNotMatch(log, /Traceback/);
  }
});

const boosters: [ReadyTrainer, Record<string, unknown>][] = [
  ['lightgbm', { num_leaves: 7, learning_rate: 0.1, min_data_in_leaf: 5 }],
  ['xgboost', { max_depth: 4, eta: 0.1 }],
];

for (const [use, parameters] of boosters) {
  test(`${use}: categories, metrics by iteration, the best one kept`, async (t) => {
    const train = await trainerOf(t, use);
    if (!train) return;
    const run = await train(binary, { ...parameters, n_estimators: 300, early_stopping_rounds: 5 });
    const { metrics, answers } = await accepted(binary, run);
    assert.ok(metrics['validation_roc_auc']! > 0.8, JSON.stringify(metrics));
    assert.ok(answers[0]! > 0.6 && answers[1]! < 0.5, JSON.stringify(answers));
    const steps = said(run, 'progress');
    const [first] = steps;
    const better = first!.metrics['validation_loss']! > metrics['validation_loss']!;
    assert.ok(steps.length < 300 && better, `${steps.length} steps from ${JSON.stringify(first)}`);
  });

  test(`${use}: several classes, and values`, async (t) => {
    const train = await trainerOf(t, use);
    if (!train) return;
    const kind = await accepted(multiclass, await train(multiclass, { ...parameters, n_estimators: 40 }));
    assert.ok(kind.metrics['validation_accuracy']! > 0.95, JSON.stringify(kind.metrics));
    const rent = await accepted(regression, await train(regression, { ...parameters, n_estimators: 80 }));
    assert.ok(rent.metrics['validation_rmse']! < 60, JSON.stringify(rent.metrics));
  });

  test(`${use}: preempted, it saves; its successor goes on; a spent budget ends with the model so far`, async (t) => {
    const train = await trainerOf(t, use);
    if (!train) return;
    const many = { ...parameters, n_estimators: 100_000 };
    let sent = false;
    const preempted = await train(binary, many, {
      onEvent({ event }, child) {
        if (event === 'progress' && !sent) void child.kill(30_000);
        sent ||= event === 'progress';
      },
    });
    assert.equal(preempted.exit.code, 143, preempted.log);
    const saved = said(preempted, 'checkpoint').at(-1)!.path;
    const done = said(preempted, 'progress').at(-1)!.step;

    let asked = false;
    const resumed = await train(binary, many, {
      request: { checkpoint: saved },
      onEvent(event, child) {
        if (event.event !== 'progress' || event.step < done + 20) return;
        if (!asked) child.finish();
        asked = true;
      },
    });
    assert.equal(said(resumed, 'progress')[0]!.step, done + 1);
    const { answers } = await accepted(binary, resumed);
    assert.ok(answers[0]! > answers[1]!, JSON.stringify(answers));
  });
}

/** Debian's own PyTorch: PyPI's brings 2 GB of CUDA along. @returns as trainerOf */
async function torchOf(t: TestContext, use: ReadyTrainer) {
  const lock = 'pyarrow==19.0.1\n';
  const order = { lock, lockName: 'torch.lock', python: '/usr/bin/python3', systemPackages: true };
  if (!existsSync('/usr/lib/python3/dist-packages/torch')) return t.skip('there is no python3-torch here');
  const found = await interpreterFor(order);
  if ('absent' in found) return t.skip(found.absent);
  return (data: Data, parameters: Record<string, unknown>, order: Partial<Order> = {}) => {
    const request: Partial<TrainerRequest> = { parameters, ...order.request };
    return drive(data, { python: found.python, script: ready(use), ...order, request });
  };
}

const small = { hidden: [16], epochs: 12, batch_size: 64, learning_rate: 0.02, patience: 0, dropout: 0.1 };

test('pytorch: preempted in the middle of an epoch, its successor makes the very same model', async (t) => {
  const train = await torchOf(t, 'pytorch');
  if (!train) return;
  const whole = await train(binary, small);
  const { metrics, answers } = await accepted(binary, whole);
  assert.ok(metrics['validation_loss']! < 0.5, JSON.stringify(metrics));
  assert.ok(answers[0]! > 0.6 && answers[1]! < 0.5, JSON.stringify(answers));

  const { step, steps } = said(whole, 'progress').at(-1)!;
  assert.equal(step, steps);

  let sent = false;
  const preempted = await train(binary, small, {
    onEvent(event, child) {
      if (!sent && event.event === 'progress' && event.step > 40) void child.kill(60_000);
      sent ||= event.event === 'progress' && event.step > 40;
    },
  });
  assert.equal(preempted.exit.code, 143, preempted.log);
  const checkpoint = said(preempted, 'checkpoint').at(-1)!.path;
  const resumed = await train(binary, small, { request: { checkpoint } });
  await accepted(binary, resumed);
  const bytes = (run: Run) => readFile(said(run, 'model').at(-1)!.path);
  assert.deepEqual(await bytes(resumed), await bytes(whole));
});

test('pytorch: a rate that is too high ends it with its step', async (t) => {
  const train = await torchOf(t, 'pytorch');
  if (!train) return;
  const { events } = await train(regression, { ...small, learning_rate: 1e30 });
  assert.equal(events.at(-1)?.event, 'diverged');
});

test('pytorch-sequence: recurrent and attending, several classes', async (t) => {
  const train = await torchOf(t, 'pytorch-sequence');
  if (!train) return;
  const numbers = { noise: {}, rent: {} };
  const series = await dataOf(belt, { task: 'multiclass-classification', label: 'kind', features: numbers });
  for (const network of ['gru', 'transformer']) {
    const own = { ...small, network, steps: 2, size: 8, heads: 2, patience: 3 };
    const { metrics } = await accepted(series, await train(series, own));
    assert.ok(metrics['validation_loss']! < 0.2, JSON.stringify(metrics));
  }
  const refused = await train(multiclass, { steps: 3 });
  assert.match(refused.log, /must divide the 1 numeric columns/);
});

test('the script of docs/trainers.md trains a model', async (t) => {
  const found = await interpreterOf('scikit-learn');
  if ('absent' in found) return t.skip(found.absent);
  const docs = await readFile('docs/trainers.md', 'utf8');
  const [, text] = /^```python\n(# train\.py\n[^]*?)^```/m.exec(docs)!;
  const script = join(belt.folder, 'train.py');
  await writeFile(script, text!);
  const run = await drive(binary, { ...found, script, request: { parameters: { epochs: 5, alpha: 0.001 } } });
  await accepted(binary, run);
  assert.equal(said(run, 'progress').length, 5);
});
