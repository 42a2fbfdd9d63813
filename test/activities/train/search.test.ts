/** A search: what it tries, what it learns, when it stops a trial, and that it repeats none. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { random } from '../../../activities/train/random.ts';
import { halvingJudge } from '../../../activities/train/search/halving.ts';
import { createSearch } from '../../../activities/train/search/index.ts';
import { gridPoint, randomPoint } from '../../../activities/train/search/space.ts';
import { tpePoint } from '../../../activities/train/search/tpe.ts';
import type { Tried } from '../../../activities/train/search/tpe.ts';
import { SeriesRecorder } from '../../../activities/train/series.ts';
import { TrialRecord } from '../../../contracts/experiment.ts';
import type { Input } from '../../../contracts/lifecycle.ts';
import { Search, trialsOf } from '../../../contracts/training.ts';
import { forkModule } from '../../../infra/child.ts';
import { readJson } from '../../../infra/store/json.ts';
import { openBelt, prepared, projectOf } from '../prepare/belt.ts';
import type { Belt } from '../prepare/belt.ts';

let belt: Belt;
before(async () => {
  belt = await openBelt();
});
after(() => rm(belt.folder, { recursive: true }));

const searchOf = (change: object) => Search.parse({ space: { x: { min: -5, max: 5 } }, ...change });

test('a grid has each combination once', () => {
  const search = searchOf({
    method: 'grid',
    space: { hidden: { values: [[], [8]] }, depth: { min: 2, max: 8, step: 3 } },
  });
  assert.equal(trialsOf(search), 6);
  const points = Array.from({ length: 6 }, (_, i) => gridPoint(search.space, i));
  assert.deepEqual(points[0], { hidden: [], depth: 2 });
  assert.deepEqual(points[5], { hidden: [8], depth: 8 });
  assert.equal(new Set(points.map((point) => JSON.stringify(point))).size, 6);
});

test('chance is seeded, stays within bounds, and is even on a log scale', () => {
  const { space } = searchOf({
    space: { rate: { min: 1e-4, max: 1, scale: 'log' }, n: { min: 1, max: 4, step: 1 } },
  });
  const draw = (seed: number) => Array.from({ length: 400 }, (_, i) => randomPoint(space, random(seed, i)));
  assert.deepEqual(draw(1), draw(1));
  assert.notDeepEqual(draw(1), draw(2));
  const rates = draw(1).map(({ rate }) => rate as number);
  assert(rates.every((rate) => rate >= 1e-4 && rate <= 1));
  const low = rates.filter((rate) => rate < 1e-2).length;
  assert(low > 150 && low < 250, `${low} of 400 below the middle of the scale`);
  assert.deepEqual(new Set(draw(1).map(({ n }) => n)), new Set([1, 2, 3, 4]));
});

/** The best loss after some trials on a bowl whose bottom is at x = 2, y = good. */
function bestOf(method: 'tpe' | 'random', seed: number): number {
  const { space } = searchOf({
    space: { x: { min: -50, max: 50 }, y: { values: ['bad', 'worse', 'good'] } },
  });
  const tried: Tried[] = [];
  for (let trial = 1; trial <= 60; trial++) {
    const next = random(seed, trial);
    const parameters = method === 'tpe' ? tpePoint(space, tried, next) : randomPoint(space, next);
    const { x, y } = parameters as { x: number; y: string };
    tried.push({ parameters, loss: (x - 2) ** 2 + (y === 'good' ? 0 : 100) });
  }
  return Math.min(...tried.map(({ loss }) => loss));
}

test('TPE finds the bottom of a bowl more closely than chance, over many seeds', () => {
  const seeds = Array.from({ length: 21 }, (_, i) => i);
  const median = (losses: number[]) => losses.toSorted((a, b) => a - b)[10]!;
  const tpe = median(seeds.map((seed) => bestOf('tpe', seed)));
  const chance = median(seeds.map((seed) => bestOf('random', seed)));
  assert(tpe < chance / 3, `tpe ${tpe}, chance ${chance}`);
});

test('a rung stops what is not among the best third there, and lets the first ones go on', async () => {
  const search = searchOf({ halving: { reduction: 3, first: 0.1 } });
  const losses = [0.3, 0.2, 0.1, 0.05, 0.4, 0.15];
  const stopped: (string | undefined)[] = [];
  for (const [i, loss] of losses.entries()) {
    const judge = halvingJudge(
      belt.store,
      'runs/lifecycle/tested/1/search',
      i + 1,
      search,
      (value) => value,
    )!;
    const series = new SeriesRecorder();
    assert.equal(await judge(5, 100, series), undefined, 'nothing is known yet');
    series.add('validation_loss', 10, loss);
    stopped.push(await judge(10, 100, series));
  }
  assert.deepEqual(
    stopped.map((reason) => reason !== undefined),
    [false, false, false, false, true, true],
  );
  assert.match(stopped[4]!, /stopped at 10 % of its steps: not among the best 1\/3/);
});

const rows = `SELECT i AS id, TIMESTAMP '2001-01-01' + to_minutes(i) AS at, CAST(hash(i) % 100 AS DOUBLE) AS x,
  hash(i) % 100 > 60 AS late FROM range(600) AS r(i)`;

async function inputOf(search: object, number: number): Promise<Input<'train'>> {
  const trainer = { backend: 'onnx', epochs: 2, batchSize: 64 };
  const made = await prepared(belt, projectOf({ features: { x: {} }, trainer, search }), rows);
  return { lifecycleId: `lifecycle/tested/${number}`, project: made.project, prepared: made.prepared };
}

const searching = (fork = forkModule) => createSearch({ ...belt, forkModule: fork });
const asActivity = <I, O>(activity: (input: I) => Promise<O>, input: I): Promise<O> =>
  new MockActivityEnvironment().run<[I], O, typeof activity>(activity, input);

test('trials are on record, the best becomes the candidate, and none is run twice', async () => {
  // No batch has no rows: the second fails for good.
  const search = { method: 'grid', space: { batchSize: { values: [16, 0, 600] } } };
  const input = await inputOf(search, 2);
  const { trial, chooseTrial } = searching();
  const made = [];
  for (const number of [1, 2, 3]) made.push(await asActivity(trial, { ...input, trial: number }));
  assert.deepEqual(
    made.map(({ state }) => state),
    ['done', 'failed', 'done'],
  );
  const better = made[0]!.value! <= made[2]!.value! ? 1 : 3;
  assert.deepEqual(
    made.map(({ loss }) => loss),
    [made[0]!.value, null, made[2]!.value],
  );
  const second = await readJson(belt.store, `runs/${input.lifecycleId}/search/2/record.json`, TrialRecord);
  assert.match(second!.value.message!, /^InvalidInput: batchSize: /);

  const neverForks = searching(() => assert.fail('a trial on record was run again'));
  assert.deepEqual(await asActivity(neverForks.trial, { ...input, trial: 1 }), made[0]);
  const chosen = await asActivity(chooseTrial, { ...input, trials: 3 });
  const winner = await readJson(
    belt.store,
    `runs/${input.lifecycleId}/search/${better}/record.json`,
    TrialRecord,
  );
  assert.deepEqual(chosen.model, winner!.value.model);
  assert.equal(chosen.metrics['validation_loss'], made[better - 1]!.value);
});

test('a search without one model fails by name, with the reason of a trial', async () => {
  const input = await inputOf({ method: 'grid', space: { batchSize: { values: [0] } } }, 3);
  const { trial, chooseTrial } = searching();
  await asActivity(trial, { ...input, trial: 1 });
  await assert.rejects(
    asActivity(chooseTrial, { ...input, trials: 1 }),
    /none of 1 trials .* trial 1: InvalidInput/,
  );
});

test('a retry of a trial tries the same parameters', async () => {
  const input = await inputOf(
    { method: 'tpe', trials: 50, space: { learningRate: { min: 1e-4, max: 0.1, scale: 'log' } } },
    4,
  );
  const dies = searching(() => {
    throw new Error('the worker is gone');
  });
  await assert.rejects(asActivity(dies.trial, { ...input, trial: 7 }), /the worker is gone/);
  const key = `runs/${input.lifecycleId}/search/7/suggestion.json`;
  const before = await belt.store.read(key);
  await asActivity(searching().trial, { ...input, trial: 7 });
  assert.deepEqual((await belt.store.read(key))?.bytes, before?.bytes);
  const record = await readJson(belt.store, `runs/${input.lifecycleId}/search/7/record.json`, TrialRecord);
  assert.deepEqual(
    { parameters: record!.value.parameters },
    JSON.parse(new TextDecoder().decode(before!.bytes)),
  );
});

test('a trial whose attempt died right after its record still counts when the best is chosen', async () => {
  const input = await inputOf({ method: 'grid', space: { batchSize: { values: [16, 600] } } }, 5);
  const { trial } = searching();
  for (const number of [1, 2]) await asActivity(trial, { ...input, trial: number });
  const results = `runs/${input.lifecycleId}/search/results`;
  for (const number of [1, 2]) await belt.store.delete(`${results}/${number}.json`);

  const successor = searching(() => assert.fail('a trial on record was run again'));
  const made = [];
  for (const number of [1, 2]) made.push(await asActivity(successor.trial, { ...input, trial: number }));
  const better = made[0]!.value! <= made[1]!.value! ? 1 : 2;
  const chosen = await asActivity(successor.chooseTrial, { ...input, trials: 2 });
  assert.equal(chosen.metrics['validation_loss'], made[better - 1]!.value);
  assert(await belt.store.read(`${results}/${better}.json`), 'it is among the results');
});
