/**
 * The worker is killed while runs are in every stage; they end as if nothing had happened.
 *
 * A run is held in its stage by taking the lock of the record that the stage writes last: its work is done or
 * under way, and its end cannot be reported before the kill. So one kill meets every stage, whatever the machine.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { recordKey, StageRecord } from '../../activities/record.ts';
import { checkpointKey, CheckpointRecord } from '../../activities/train/checkpoints.ts';
import { sayToRollout } from '../../client/rollout.ts';
import type { Stage } from '../../contracts/lifecycle.ts';
import { Slots } from '../../contracts/serving.ts';
import { readJson } from '../../infra/store/json.ts';
import { openBelt } from '../support/belt.ts';
import type { Belt } from '../support/belt.ts';
import { hold } from '../support/hold.ts';
import { descendantsOf, murder } from '../support/processes.ts';
import { replayAll } from '../support/replay.ts';
import { until } from '../support/until.ts';

const heldStages = ['evaluate', 'deploy', 'prepare', 'validate', 'ingest'] as const satisfies Stage[];
const long = {
  backend: 'onnx',
  epochs: 900,
  patience: 900,
  batchSize: 16,
  checkpointEvery: '500ms',
} as const;

let belt: Belt;
const baking = { folder: '', run: '' };
const training = { folder: '', run: '' };
const runs = new Map<Stage, string>();
const letGo: (() => Promise<void>)[] = [];

before(async () => (belt = await openBelt()));
after(() => belt.close());

const record = async (run: string, stage: Stage) =>
  (await readJson(belt.esteira.store, recordKey(run, stage), StageRecord))!.value;
const checkpointOf = async (run: string) =>
  (await readJson(belt.esteira.store, checkpointKey(run), CheckpointRecord))?.value.checkpoint;
const challenger = async (model: string) =>
  (await readJson(belt.esteira.store, `models/${model}/current.json`, Slots))?.value.challenger;

/** One run in each stage: five held at its end, one that trains and has a checkpoint, one that bakes. */
async function everywhere(): Promise<void> {
  await Promise.all(
    heldStages.map(async (stage) => {
      const model = `in-${stage}`;
      letGo.push(await hold(belt.config.store, recordKey(`lifecycle/${model}/1`, stage)));
      runs.set(stage, await belt.start(await belt.project(model)));
    }),
  );
  await belt.esteira.outcome(baking.run); // a canary needs a champion beside it
  baking.run = await belt.start(baking.folder);
  await until(async () => (await challenger('baking'))?.share === 0.5);
  training.run = await belt.start(training.folder);
  await until(async () => (await checkpointOf(training.run)) !== undefined);
}

test(
  'the worker is killed at or after the start of every stage; each run is deployed',
  { timeout: 1_200_000 },
  async () => {
    baking.folder = await belt.project('baking', { rollout: { steps: [{ share: 0.5, bake: '1h' }] } });
    baking.run = await belt.start(baking.folder);
    training.folder = await belt.project('training', { trainer: long });
    await everywhere();
    const killed = new Map<Stage, number>();
    for (const [stage, run] of runs) killed.set(stage, await belt.reached(run, stage));
    await belt.reached(training.run, 'train');
    assert.equal((await challenger('baking'))?.share, 0.5);
    const worker = belt.stack.pids().worker;
    assert((await descendantsOf(worker)).length > 0, 'the trainer is a child of the worker');

    await murder(worker);
    await Promise.all(letGo.map((release) => release()));
    const promoted = { by: 'ana', reason: 'the worker is back' };
    assert((await sayToRollout(belt.esteira, 'baking', 'promote', promoted)).accepted);

    for (const run of [...runs.values(), baking.run, training.run]) {
      const outcome = await belt.esteira.outcome(run);
      assert.equal(outcome.status, 'deployed', `${run}: ${JSON.stringify(outcome)}`);
    }
    assert.notEqual(belt.stack.pids().worker, worker);
    assert.deepEqual(await belt.leftovers(), [], 'nor did the killed attempts leave anything');
    for (const [stage, run] of runs) {
      assert((await record(run, stage)).attempt > killed.get(stage)!, `${stage} was tried again`);
    }
  },
);

test('each model has one version a run, and each version became champion once', async () => {
  for (const [model, count] of [
    ...heldStages.map((stage) => [`in-${stage}`, 1] as const),
    ['training', 1],
    ['baking', 2],
  ] as const) {
    const slots = await belt.slots(model);
    assert.deepEqual(
      slots.map(({ epoch }) => epoch),
      slots.map((_, i) => i + 1),
    );
    assert.equal((await belt.versions(model)).length, count);
    const champions = slots.map(({ champion }) => champion?.version ?? 0);
    const changes = champions.filter((version, i) => version !== (champions[i - 1] ?? 0));
    assert.deepEqual(
      changes,
      Array.from({ length: count }, (_, i) => i + 1),
    );
    assert.deepEqual(await challenger(model), null);
  }
});

test(
  'training went on from its checkpoint, to the very bytes of an unbroken run',
  { timeout: 480_000 },
  async () => {
    const broken = await record(training.run, 'train');
    assert(broken.attempt > 1);
    assert(
      Number((broken.details['resumedFrom'] as { step: number } | null)?.step) > 0,
      'it did not begin anew',
    );
    const unbroken = await belt.start(training.folder);
    assert.equal((await belt.esteira.outcome(unbroken)).status, 'deployed');
    const whole = await record(unbroken, 'train');
    assert.equal(whole.details['resumedFrom'], null);
    const modelOf = ({ output }: StageRecord) => (output as { model: { sha256: string } }).model.sha256;
    assert.equal(modelOf(broken), modelOf(whole));
  },
);

test('every history replays', async () => {
  const types = await replayAll(belt.esteira.client);
  assert.equal(types['lifecycle'], 9);
});
