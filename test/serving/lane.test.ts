import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ports } from '../../contracts/serving.ts';
import { Lane, defaultLimits } from '../../serving/lane.ts';
import type { Run } from '../../serving/lane.ts';
import { Refusal } from '../../infra/refusal.ts';
import type { Rows } from '../../serving/rows.ts';

const ports = (shape: number[] = [-1]): Ports => ({
  inputs: [{ name: 'x', datatype: 'FP32', shape }],
  outputs: [{ name: 'y', datatype: 'FP32', shape }],
});
const rows = (...x: number[]): Rows => ({ count: x.length, inputs: [{ elements: x, dims: [x.length] }] });
const numbers = (values: unknown): number[] => Array.from(values as Float32Array);

/** Doubles what it gets, and notes how many rows came together. */
function doubling(batches: number[]): Run {
  return async ([x]) => {
    batches.push(x!.dims[0]!);
    return [{ values: Float32Array.from(numbers(x!.values), (value) => value * 2), dims: x!.dims }];
  };
}

test('requests of one moment share a run, and each gets its own rows back', async () => {
  const batches: number[] = [];
  const lane = new Lane(doubling(batches), ports());
  const answers = await Promise.all([lane.infer(rows(1)), lane.infer(rows(2, 3)), lane.infer(rows(4))]);
  assert.deepEqual(
    answers.map(({ outputs: [y] }) => [numbers(y!.values), y!.dims]),
    [
      [[2], [1]],
      [[4, 6], [2]],
      [[8], [1]],
    ],
  );
  assert.deepEqual(batches, [4]);
  assert.equal(lane.waiting, 0);
});

test('a batch holds at most 256 rows, except for one request that is larger', async () => {
  const batches: number[] = [];
  const lane = new Lane(doubling(batches), ports());
  const many = Array.from({ length: 300 }, () => 0);
  await Promise.all([lane.infer(rows(...many)), ...many.map(() => lane.infer(rows(0)))]);
  assert.deepEqual(batches, [300, 256, 44]);
});

test('rows of another width do not share a batch', async () => {
  const batches: number[] = [];
  const lane = new Lane(doubling(batches), ports([-1, -1]));
  const wide = (width: number): Rows => ({
    count: 1,
    inputs: [{ elements: Array.from({ length: width }, () => 1), dims: [1, width] }],
  });
  const answers = await Promise.all([lane.infer(wide(2)), lane.infer(wide(3)), lane.infer(wide(3))]);
  assert.deepEqual(
    answers.map(({ outputs: [y] }) => y!.dims),
    [
      [1, 2],
      [1, 3],
      [1, 3],
    ],
  );
  assert.deepEqual(batches, [1, 2]);
});

test('a request that breaks the batch fails alone', async () => {
  const lane = new Lane(async ([x]) => {
    if (numbers(x!.values).includes(13)) throw new Error('unlucky');
    return [x!];
  }, ports());
  const outcomes = await Promise.allSettled([1, 13, 2].map((value) => lane.infer(rows(value))));
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.equal(lane.waiting, 0);
});

test('who comes when too many rows wait is sent away, and told when to come again', async () => {
  const lane = new Lane(doubling([]), ports(), { ...defaultLimits, queueRows: 3 });
  const taken = [lane.infer(rows(1, 2)), lane.infer(rows(3))];
  assert.throws(
    () => lane.infer(rows(4)),
    (error) => error instanceof Refusal && error.status === 429 && error.retryAfter === 1,
  );
  await Promise.all(taken);
  await lane.infer(rows(4)); // there is room again
});

test('one request larger than the queue is taken when nothing waits', async () => {
  const lane = new Lane(doubling([]), ports(), { ...defaultLimits, queueRows: 1 });
  assert.deepEqual(numbers((await lane.infer(rows(1, 2, 3))).outputs[0]!.values), [2, 4, 6]);
});

test('after its deadline a request is not computed', async () => {
  const batches: number[] = [];
  const lane = new Lane(doubling(batches), ports());
  const late = lane.infer(rows(1), performance.now() - 1);
  const inTime = lane.infer(rows(2), performance.now() + 60_000);
  await assert.rejects(late, (error) => error instanceof Refusal && error.status === 504);
  assert.deepEqual(numbers((await inTime).outputs[0]!.values), [4]);
  assert.deepEqual(batches, [1]);
});
