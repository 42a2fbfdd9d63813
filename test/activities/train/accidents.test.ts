/** What a trainer may do wrong, and what may befall it: each ends with one sentence, or with a model. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createTrain } from '../../../activities/train/index.ts';
import { exportModel } from '../../../activities/train/forward-graph.ts';
import { firstWeights, networkOf } from '../../../activities/train/network.ts';
import { budgetLeftMs } from '../../../activities/train/request.ts';
import { SeriesRecorder } from '../../../activities/train/series.ts';
import { TrainerLog } from '../../../activities/train/trainer-log.ts';
import { hearTrainer } from '../../../activities/train/trainer-process.ts';
import { StageRecord } from '../../../activities/record.ts';
import { Series, TrainingDetails } from '../../../contracts/experiment.ts';
import { failedWith } from '../../../contracts/failures.ts';
import type { PermanentType } from '../../../contracts/failures.ts';
import type { Input, Output } from '../../../contracts/lifecycle.ts';
import { PreparedManifest } from '../../../contracts/prepared.ts';
import { Trainer } from '../../../contracts/training.ts';
import { forkModule } from '../../../infra/child.ts';
import type { Child } from '../../../infra/child.ts';
import { readBytes, readJson, readJsonBlob } from '../../../infra/store/json.ts';
import { openBelt, pin, prepared, projectOf } from '../prepare/belt.ts';
import type { Belt } from '../prepare/belt.ts';

const rows = `SELECT i AS id, TIMESTAMP '2001-01-01' + to_minutes(i) AS at, CAST(i % 7 AS DOUBLE) AS x, i % 2 = 0 AS late
  FROM range(400) AS r(i)`;

/** Speaks the protocol by hand, in each of the ways that a stranger's script might. */
const script = `
import { readFileSync, writeFileSync } from 'node:fs';
const request = JSON.parse(readFileSync(process.argv.at(-1), 'utf8'));
const { mode, model } = request.parameters;
const say = (event) => console.log(JSON.stringify(event));
const give = (more = {}) => {
  const path = request.work + '/model.onnx';
  writeFileSync(path, Buffer.from(model, 'base64'));
  say({ event: 'model', path, metrics: { validation_loss: 0.5 }, ...more });
};
const forever = () => setInterval(() => {}, 1000);
const modes = {
  empty() { console.error('I was here'); },
  chatter() { console.log('{"level":"info","event":"started"}'); for (let i = 0; i < 80; i++) console.error('line ' + i); process.exit(3); },
  unparsable() { console.log('{"event": "progress", "step": 1, "steps": 2, "metrics": {"loss": NaN}}'); give(); },
  misspelt() { say({ event: 'progress', step: 'one', steps: 2 }); give(); },
  silent() { forever(); },
  greedy() {
    if (request.batchScale === 1) { say({ event: 'out-of-memory', message: 'CUDA out of memory' }); process.exit(1); }
    give();
  },
  insatiable() { say({ event: 'out-of-memory', message: 'CUDA out of memory' }); process.exit(1); },
  curve() {
    for (let step = 1; step <= 3; step++) say({ event: 'progress', step, steps: 3, metrics: { train_loss: 1 / step } });
    say({ event: 'metric', name: 'lr', step: 3, value: 0.1 });
    give();
  },
  wrongSample() {
    const sample = request.work + '/sample.json';
    writeFileSync(sample, JSON.stringify(Array.from({ length: 20 }, () => 0.001)));
    give({ sample });
  },
  pickle() {
    const path = request.work + '/model.onnx';
    writeFileSync(path, Buffer.from([0x80, 0x04, 0x95, 0, 0, 0, 0, 0, 0, 0, 0, 0x2e]));
    say({ event: 'model', path });
  },
};
modes[mode]();
`;

let belt: Belt;
let model: string;
let run = 0;
before(async () => {
  belt = await openBelt();
  await writeFile(join(belt.folder, 'trainer.mjs'), script);
  const { prepared: made } = await prepared(belt, projectOf({ features: { x: {} } }), rows);
  const manifest = await readJsonBlob(belt.store, made.manifest, PreparedManifest);
  const net = networkOf(manifest.task, manifest.layout, []);
  model = Buffer.from(exportModel(net, firstWeights(net, 1), { mean: 0, spread: 1 })).toString('base64');
});
after(() => rm(belt.folder, { recursive: true }));

async function inputOf(mode: string, more: Record<string, unknown> = {}): Promise<Input<'train'>> {
  const command = [process.execPath, join(belt.folder, 'trainer.mjs')];
  const trainer = { backend: 'command', command, parameters: { mode, model }, ...more };
  const project = projectOf({ features: { x: {} }, trainer });
  const made = await prepared(belt, project, rows);
  return {
    lifecycleId: `lifecycle/tested/${++run}`,
    project: await pin(belt, project),
    prepared: made.prepared,
  };
}

function train(input: Input<'train'>): Promise<Output<'train'>> {
  const { train } = createTrain({ ...belt, forkModule });
  return new MockActivityEnvironment().run<[Input<'train'>], Output<'train'>, typeof train>(train, input);
}

async function detailsOf({ lifecycleId }: Input<'train'>): Promise<TrainingDetails> {
  const found = await readJson(belt.store, `runs/${lifecycleId}/train/record.json`, StageRecord);
  return TrainingDetails.parse(found?.value.details);
}

const refusals: [mode: string, type: PermanentType, sentence: RegExp][] = [
  ['empty', 'TrainerFailed', /left with code 0 and without a model; its last lines:\nI was here/],
  ['chatter', 'TrainerFailed', /left with code 3; its last lines:\nline 30\n(.|\n)*line 79$/],
  ['unparsable', 'TrainerFailed', /not JSON \(NaN and Infinity have no form in it\): \{"event": "progress"/],
  ['misspelt', 'TrainerFailed', /whose step is wrong/],
  ['insatiable', 'TrainerFailed', /out of memory with half the batch, too: CUDA out of memory/],
  ['wrongSample', 'ModelRefused', /part on 20 of 20 validation rows: for row 0 the framework says 0.001/],
  ['pickle', 'ModelRefused', /pickle/],
];
for (const [mode, type, sentence] of refusals) {
  test(`a trainer that is ${mode} is refused by name`, async () => {
    const input = await inputOf(mode);
    await assert.rejects(train(input), (error: Error) => {
      assert.match(error.message, sentence);
      return failedWith(error, type);
    });
    assert.equal(await belt.store.read(`runs/${input.lifecycleId}/train/record.json`), undefined);
  });
}

test('what a trainer says by step is on record as a curve', async () => {
  const input = await inputOf('curve');
  assert.deepEqual((await train(input)).metrics, { lr: 0.1, train_loss: 1 / 3, validation_loss: 0.5 });
  const { series, hardware, cost } = await detailsOf(input);
  const curves = await readJsonBlob(belt.store, series, Series);
  assert.deepEqual(curves['train_loss']?.step, [1, 2, 3]);
  assert.deepEqual(curves['lr']?.value, [0.1]);
  assert.equal(hardware.device, 'cpu');
  assert.equal(cost, null);
});

test('a batch that does not fit is halved, once, and the record says so', async () => {
  const input = await inputOf('greedy');
  await train(input);
  const details = await detailsOf(input);
  assert.equal(details.batchScale, 0.5);
  const log = new TextDecoder().decode(await readBytes(belt.store, details.log));
  assert.match(log, /out of memory \(CUDA out of memory\); going on with half the batch/);
});

test('a trainer that falls silent is ended; silent again at the same step, it is given up', async () => {
  const input = await inputOf('silent', { stall: '1s' });
  await assert.rejects(
    train(input),
    (error: Error) => error.name === 'Stalled' && /said nothing for 1 s/.test(error.message),
  );
  await assert.rejects(train(input), (error: Error) => {
    assert.match(error.message, /at step 0 for the second time/);
    return failedWith(error, 'TrainerStalled');
  });
});

/** Says a curve and a model, and goes on until it is told to finish. */
function endless(says: object[]): Child {
  let finish = () => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const events = async function* () {
    for (const event of says) yield event as Record<string, unknown>;
    await finished;
  };
  const exited = finished.then(() => ({ code: 0, signal: null }));
  return { pid: 0, events: events(), exited, kill: async () => finish(), finish };
}

const listener = { progress: async () => undefined, metric() {}, checkpoint: async () => {}, device() {} };
const bounds = { stallMs: 60_000, budgetMs: 10 };

test('a budget that is spent ends a training with the best model it has said', async () => {
  const says = [
    { event: 'progress', step: 1, steps: 1_000, metrics: { train_loss: 1 } },
    { event: 'model', path: '/first' },
    { event: 'model', path: '/better', metrics: { validation_loss: 0.5 } },
  ];
  const { signal } = new AbortController();
  const trained = await hearTrainer(endless(says), listener, new TrainerLog(), bounds, signal);
  assert.deepEqual(trained, {
    model: { path: '/better', metrics: { validation_loss: 0.5 }, sample: undefined },
    stopped: 'budget',
  });
});

test('who had no model when the budget was spent has failed', async () => {
  const { signal } = new AbortController();
  await assert.rejects(
    hearTrainer(endless([]), listener, new TrainerLog(), bounds, signal),
    (error: Error) => {
      assert.match(error.message, /the budget was spent before the trainer had said a model/);
      return failedWith(error, 'TrainerFailed');
    },
  );
});

test('a program hears that it should finish by SIGUSR1', async () => {
  const program = `process.on('SIGUSR1', () => { console.log('{"event":"log","message":"bye"}'); process.exit(7); });
    setInterval(() => {}, 1000); console.log('{"event":"log","message":"ready"}');`;
  const url = new URL('../../../activities/train/command-trainer.ts', import.meta.url);
  const child = forkModule(url, {
    args: [JSON.stringify([process.execPath, '-e', program]), 'request.json'],
  });
  const said: unknown[] = [];
  for await (const { message } of child.events) if (said.push(message) === 1) child.finish();
  assert.deepEqual(said, ['ready', 'bye']);
  assert.equal((await child.exited).code, 7);
});

test('a budget counts what attempts before have spent, by the nearer of time and cost', () => {
  const trainer = Trainer.parse({ backend: 'onnx', budget: { time: '1h', cost: 3 } });
  assert.equal(budgetLeftMs(trainer, undefined, 600), 3_000_000);
  assert.equal(budgetLeftMs(trainer, 6, 600), 1_200_000);
  assert.equal(budgetLeftMs(trainer, 6, 7_200), 0);
  assert.equal(budgetLeftMs(Trainer.parse({ backend: 'onnx' }), 6, 600), undefined);
});

test('a long curve keeps its shape in few points, and its last value', () => {
  const series = new SeriesRecorder();
  for (let step = 1; step <= 100_000; step++) series.add('loss', step, 1 / step);
  const { step, value } = series.all()['loss']!;
  assert(step.length >= 1_000 && step.length < 4_000, `${step.length} points`);
  assert.equal(step[0], 1);
  assert.equal(value.length, step.length);
  assert.equal(series.last('loss'), 1 / 100_000);
});
