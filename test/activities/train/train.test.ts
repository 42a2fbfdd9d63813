/** The train stage with a real trainer process, a real store, and the accidents that befall both. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { failedWith } from '../../../contracts/failures.ts';
import type { Input, Output } from '../../../contracts/lifecycle.ts';
import { PreparedManifest } from '../../../contracts/prepared.ts';
import { exportModel } from '../../../activities/train/forward-graph.ts';
import { firstWeights, networkOf } from '../../../activities/train/network.ts';
import { createTrain } from '../../../activities/train/index.ts';
import { checkpointKey, CheckpointRecord } from '../../../activities/train/checkpoints.ts';
import { StageRecord } from '../../../activities/record.ts';
import { forkModule } from '../../../infra/child.ts';
import type { Child } from '../../../infra/child.ts';
import { openDuckDb as openDb } from '../../../infra/duckdb.ts';
import { score } from '../../../infra/onnx/score.ts';
import { readSignature } from '../../../infra/onnx/signature.ts';
import { readJson, readJsonBlob } from '../../../infra/store/json.ts';
import { openBelt, pin, prepared, projectOf } from '../prepare/belt.ts';
import type { Belt } from '../prepare/belt.ts';

let belt: Belt;
before(async () => {
  belt = await openBelt();
});
after(() => rm(belt.folder, { recursive: true }));

/** Whether two towns are alike decides: nothing that a linear model could see. */
const towns = `SELECT i AS id, TIMESTAMP '2001-01-01' + to_minutes(i) AS at, CAST(h % 100 AS DOUBLE) AS noise,
  'town ' || (h % 2) AS origin, 'town ' || (h // 2 % 2) AS destination, origin = destination AS late,
  CAST(3000 + 400 * (h % 2) + 40 * (h // 2 % 2) AS DOUBLE) AS rent, 'class ' || (h % 3) AS kind
  FROM (SELECT CAST(i AS BIGINT) AS i, hash(i) AS h FROM range(4000) AS r(i))`;
const features = { noise: {}, origin: { encode: 'embedding' }, destination: {} };
const trainer = { backend: 'onnx', hidden: [8], epochs: 12, batchSize: 64, learningRate: 0.02 };

async function inputOf(change: Record<string, unknown> = {}, run = 1, sql = towns): Promise<Input<'train'>> {
  const project = projectOf({ features, trainer, ...change });
  const { prepared: output, project: artifact } = await prepared(belt, project, sql);
  return { lifecycleId: `lifecycle/tested/${run}`, project: artifact, prepared: output };
}

function trainWith(
  env: MockActivityEnvironment,
  input: Input<'train'>,
  watch: (child: Child) => void = () => {},
) {
  const fork: typeof forkModule = (url, options) => {
    const child = forkModule(url, options);
    watch(child);
    return child;
  };
  const { train } = createTrain({ ...belt, forkModule: fork });
  return env.run<[Input<'train'>], Output<'train'>, typeof train>(train, input);
}

const city = { noise: [1, 1, 50, null], origin: ['town 0', 'town 1', 'town 1', 'town 1'] };
const pairs = { ...city, destination: ['town 0', 'town 0', 'town 1', 'town 1'] };

test('a hidden layer learns what no line divides, and the package takes raw columns', async () => {
  const input = await inputOf();
  const trained = await trainWith(new MockActivityEnvironment(), input);
  assert.ok(trained.metrics['validation_roc_auc']! > 0.99, JSON.stringify(trained.metrics));
  assert.ok(Object.values(trained.metrics).every(Number.isFinite));
  assert.equal(trained.steps, Math.ceil(2800 / 64) * 12);

  const path = await belt.store.localPath(trained.model);
  const signature = readSignature(await readFile(path));
  assert.deepEqual(signature.outputs, [{ name: 'probability', datatype: 'FP32', shape: [-1] }]);
  const [alike, unlike, alikeToo, withNull] = await score(path, signature, pairs);
  assert.ok(alike! > 0.9 && unlike! < 0.1 && alikeToo! > 0.9 && withNull! > 0.9);

  const record = await readJson(belt.store, `runs/${input.lifecycleId}/train/record.json`, StageRecord);
  assert.deepEqual(record?.value.output, JSON.parse(JSON.stringify(trained)));
});

test('regression answers in the units of its label', async () => {
  const change = { task: 'regression', label: 'rent', trainer: { ...trainer, hidden: [], epochs: 60 } };
  const trained = await trainWith(new MockActivityEnvironment(), await inputOf(change, 2));
  assert.ok(trained.metrics['validation_rmse']! < 10, JSON.stringify(trained.metrics));
  const path = await belt.store.localPath(trained.model);
  const rents = await score(path, readSignature(await readFile(path)), pairs);
  for (const [i, expected] of [3000, 3400, 3440].entries()) assert.ok(Math.abs(rents[i]! - expected) < 30);
});

test('several classes get a probability each', async () => {
  const change = {
    task: 'multiclass-classification',
    label: 'kind',
    trainer: { ...trainer, classWeight: 'balanced' },
  };
  const trained = await trainWith(new MockActivityEnvironment(), await inputOf(change, 3));
  const path = await belt.store.localPath(trained.model);
  const signature = readSignature(await readFile(path));
  assert.deepEqual(signature.classes, ['class 0', 'class 1', 'class 2']);
  const probabilities = await score(path, signature, pairs);
  assert.equal(probabilities.length, 12);
  assert.ok(Math.abs(probabilities[0]! + probabilities[1]! + probabilities[2]! - 1) < 1e-5);
});

test('killed in the middle and resumed by a successor, training ends with the same bytes', async () => {
  // Three chunks an epoch, so that most checkpoints lie in the middle of one.
  const many = towns.replace('4000', '100000');
  const slow = { ...trainer, batchSize: 256, epochs: 15, patience: 15 };
  const whole = await trainWith(new MockActivityEnvironment(), await inputOf({ trainer: slow }, 4, many));

  const often = { ...slow, checkpointEvery: '20ms' };
  const input = await inputOf({ trainer: often }, 5, many);
  const env = new MockActivityEnvironment();
  let pid = 0;
  env.on('heartbeat', (beat: { checkpoint?: object }) => {
    if (beat.checkpoint && pid > 0) process.kill(pid, 'SIGKILL');
    if (beat.checkpoint) pid = 0; // what it said before it died may still be heard
  });
  await assert.rejects(
    trainWith(env, input, (child) => (pid = child.pid)),
    (error: Error) => error.constructor === Error && /SIGKILL/.test(error.message),
  );
  const left = await readJson(belt.store, checkpointKey(input.lifecycleId), CheckpointRecord);
  assert.ok(left!.value.step > 0 && left!.value.checkpoint);

  const seen: number[] = [];
  const successor = new MockActivityEnvironment({ attempt: 2 });
  successor.on('heartbeat', (beat: { step: number }) => seen.push(beat.step));
  const resumed = await trainWith(successor, input);
  assert.ok(seen[0]! >= left!.value.step, 'it began anew');
  assert.equal(resumed.model.sha256, whole.model.sha256);
  assert.deepEqual(resumed.metrics, whole.metrics);
});

/** Where a process may run on some cores only (Linux). */
const pinned = spawnSync('taskset', ['-p', String(process.pid)]).status === 0;

test('one thread or two, one core or all: prepared data and model are the same bytes', async () => {
  const many = towns.replace('4000', '100000');
  const made = [];
  for (const threads of [1, 2]) {
    const openDuckDb = (spillDir: string) => openDb({ memory: '1GB', threads, spillDir });
    const project = projectOf({ features, trainer: { ...trainer, epochs: 3 } });
    const { prepared: output, project: artifact } = await prepared({ ...belt, openDuckDb }, project, many);
    const input = { lifecycleId: `lifecycle/tested/${20 + threads}`, project: artifact, prepared: output };
    const { model } = await trainWith(new MockActivityEnvironment(), input, ({ pid }) => {
      if (pinned && threads === 1) spawnSync('taskset', ['-apc', '0', String(pid)]);
    });
    made.push({ prepared: output.manifest.sha256, model: model.sha256 });
  }
  assert.deepEqual(made[0], made[1]);
});

test('an attempt that was thought dead may write no more once another has begun', async () => {
  const input = await inputOf(
    { trainer: { ...trainer, epochs: 9_000, patience: 9_000, checkpointEvery: '30ms' } },
    6,
  );
  const old = new MockActivityEnvironment();
  const young = new MockActivityEnvironment({ attempt: 2 });
  const begun = new Promise<void>((resolve) => {
    old.on('heartbeat', (beat: { checkpoint?: object }) => beat.checkpoint && resolve());
  });
  const lost = assert.rejects(trainWith(old, input), /too late, another attempt has taken over/);
  await begun;
  const winner = assert.rejects(trainWith(young, input), CancelledFailure);
  await lost;
  young.cancel();
  await winner;
});

test('a cancelled run ends its process, and leaves a checkpoint', async () => {
  const input = await inputOf({ trainer: { ...trainer, epochs: 9_000, patience: 9_000 } }, 7);
  const env = new MockActivityEnvironment();
  let child: Child | undefined;
  env.once('heartbeat', () => env.cancel());
  await assert.rejects(
    trainWith(env, input, (each) => (child = each)),
    CancelledFailure,
  );
  assert.deepEqual(await child!.exited, { code: 143, signal: null });
  const left = await readJson(belt.store, checkpointKey(input.lifecycleId), CheckpointRecord);
  assert.ok(left?.value.checkpoint);
});

test('a loss that is no number ends training for good', async () => {
  const input = await inputOf(
    { task: 'regression', label: 'rent', trainer: { ...trainer, learningRate: 1e30 } },
    8,
  );
  await assert.rejects(trainWith(new MockActivityEnvironment(), input), (error) =>
    failedWith(error, 'TrainingDiverged'),
  );
});

test('any program may be the trainer, and is refused by name when it fails or lies', async () => {
  const script = join(belt.folder, 'trainer.mjs');
  await writeFile(
    script,
    `import { readFileSync, writeFileSync } from 'node:fs';
    const { work, parameters } = JSON.parse(readFileSync(process.argv.at(-1)));
    console.error('no such parameter: ' + parameters.wish);
    if (parameters.wish === 'fail') process.exit(3);
    const lie = Buffer.from('PK this is a pickle').toString('base64');
    writeFileSync(work + '/model.onnx', Buffer.from(parameters.model ?? lie, 'base64'));
    console.log('any words');
    console.log(JSON.stringify({ event: 'progress', step: 5, steps: 5, metrics: { train_loss: 0.5 } }));
    console.log(JSON.stringify({ event: 'checkpoint', path: work + '/replaced-meanwhile.bin' }));
    console.log(JSON.stringify({ event: 'model', path: work + '/model.onnx' }));`,
  );
  const run = async (wish: string, model?: string) => {
    const command = { backend: 'command', command: [process.execPath, script], parameters: { wish, model } };
    const input = await inputOf({}, 9);
    input.project = await pin(belt, projectOf({ features, trainer: command }));
    return trainWith(new MockActivityEnvironment(), input);
  };
  await assert.rejects(run('fail'), (error: Error) => {
    return (
      failedWith(error, 'TrainerFailed') &&
      /code 3; its last lines:\nno such parameter: fail/.test(error.message)
    );
  });
  await assert.rejects(run('lie'), (error) => failedWith(error, 'ModelRefused'));

  const manifest = await readJsonBlob(belt.store, (await inputOf()).prepared.manifest, PreparedManifest);
  const net = networkOf(manifest.task, manifest.layout, []);
  const model = exportModel(net, firstWeights(net, 1), { mean: 0, spread: 1 });
  const trained = await run('give', Buffer.from(model).toString('base64'));
  assert.deepEqual([trained.steps, trained.metrics], [5, { train_loss: 0.5 }]);
  const path = await belt.store.localPath(trained.model);
  assert.equal((await score(path, readSignature(await readFile(path)), pairs)).length, 4);
});
