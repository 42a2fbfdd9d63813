/** The kit for scripts, with nothing but Python itself: what a script says, and what it does when it is told to end. */
import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { packageModel } from '../../../activities/train/package-model.ts';
import { openBelt } from '../prepare/belt.ts';
import type { Belt } from '../prepare/belt.ts';
import { dataOf, drive, said } from './python/drive.ts';
import type { Data, Order } from './python/drive.ts';

let belt: Belt;
let data: Data;
before(async () => {
  belt = await openBelt();
  data = await dataOf(belt);
});
after(() => rm(belt.folder, { recursive: true }));

async function run(script: string, order: Partial<Order> = {}) {
  const path = join(belt.folder, 'script.py');
  await writeFile(path, `from esteira_trainer import training\n${script}`);
  return drive(data, { python: 'python3', script: path, ...order });
}

test('what a library prints goes to the log, also what it prints below Python', async () => {
  const made = await run(`
import os
print("from Python")
os.system("echo from a program")
training.log("for people")
training.progress(1, 2, train_loss=0.5, strange=float("nan"))
training.metric("depth", 1, 3)
training.device_is("cpu")`);
  assert.equal(made.exit.code, 0, made.log);
  assert.match(made.log, /from Python/);
  assert.match(made.log, /from a program/);
  assert.deepEqual(made.events, [
    { event: 'log', message: 'for people' },
    { event: 'progress', step: 1, steps: 2, metrics: { train_loss: 0.5 } },
    { event: 'metric', name: 'depth', step: 1, value: 3 },
    { event: 'device', name: 'cpu' },
  ]);
});

test('a loss that is not a number ends it with its step', async () => {
  const made = await run(`
training.progress(4, 9, train_loss=float("nan"))
print("never")`);
  assert.deepEqual(made.events, [{ event: 'diverged', step: 4 }]);
  assert.doesNotMatch(made.log, /never/);
});

test('out of memory is a word of its own, whoever runs out of it', async () => {
  const raised = ['MemoryError("rows")', 'RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")'];
  for (const error of raised) {
    const { events } = await run(`
with training.memory_guard():
    raise ${error}`);
    assert.equal(events[0]?.event, 'out-of-memory');
  }
  const other = await run(`
@training.memory_guard()
def train():
    raise RuntimeError("a fault of another kind")
train()`);
  assert.deepEqual(other.events, []);
  assert.match(other.log, /a fault of another kind/);
});

/** Steps until it is told to end, one way or the other. */
const patient = `
import time
for step in range(10_000):
    training.progress(step, 10_000)
    if training.stopping:
        training.save_checkpoint(f"{step}".encode())
        training.leave()
    if training.finishing:
        training.model(b"best so far", {"step": step})
        break
    time.sleep(0.01)`;

test('preempted, it saves within its grace and leaves with 143', async () => {
  const made = await run(patient, {
    // Once: while Python ends, its handlers are gone already.
    onEvent: (event, child) => void (event.event === 'progress' && event.step === 0 && child.kill(60_000)),
  });
  assert.equal(made.exit.code, 143, made.log);
  const { path } = said(made, 'checkpoint')[0]!;
  assert.match(await readFile(path, 'utf8'), /^\d+$/);
});

test('its budget spent, it says the best model and leaves with 0', async () => {
  const told = await run(patient, {
    onEvent: (event, child) => void (event.event === 'progress' && event.step === 1 && child.finish()),
  });
  assert.equal(told.exit.code, 0, told.log);
  assert.equal(await readFile(said(told, 'model')[0]!.path, 'utf8'), 'best so far');
  const alone = await run(patient, { request: { secondsLeft: 0.2 } });
  assert.equal(said(alone, 'model').length, 1);
});

test('three checkpoints are kept, and each is whole', async () => {
  const made = await run(`
for step in range(5):
    training.save_checkpoint(lambda path: open(path, "w").write("whole"))
print(sorted(one.name for one in training.work.iterdir()))`);
  const paths = said(made, 'checkpoint').map(({ path }) => basename(path));
  assert.equal(new Set(paths).size, 5);
  assert.match(made.log, new RegExp(`\\['${paths.slice(2).join("', '")}'\\]`));
});

test('of several processes one speaks', async () => {
  const events = [];
  for (const rank of ['0', '1']) {
    const made = await run('training.log("here")', { env: { RANK: rank } });
    assert.equal(made.exit.code, 0, made.log);
    events.push(made.events.length);
  }
  assert.deepEqual(events, [1, 0]);
});

test('a pickle under the name of a model is refused by its bytes', async () => {
  const made = await run(`
import pickle
training.model(pickle.dumps({"weights": [1.0]}))`);
  const { path } = said(made, 'model')[0]!;
  assert.equal(basename(path), 'model.onnx');
  const model = await readFile(path);
  const { faults, packaged } = packageModel(data.manifest, new Uint8Array(), model);
  assert.match(faults.join(), /is a pickle/);
  assert.equal(packaged, undefined);
});
