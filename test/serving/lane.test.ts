import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lane } from '../../serving/lane.ts';

const rows = (...x: number[]) => ({ count: x.length, columns: { x } });

test('requests of one moment share a run, and each gets its own rows back', async () => {
  const batches: number[] = [];
  const lane = new Lane(async ({ x }) => {
    batches.push(x!.length);
    return { y: Float32Array.from(x as number[], (value) => value * 2) };
  });
  const answers = await Promise.all([lane.infer(rows(1)), lane.infer(rows(2, 3)), lane.infer(rows(4))]);
  assert.deepEqual(
    answers.map(({ y }) => [...y!]),
    [[2], [4, 6], [8]],
  );
  assert.deepEqual(batches, [4]);
});

test('a batch holds at most 64 rows, except for one request that is larger', async () => {
  const batches: number[] = [];
  const lane = new Lane(async ({ x }) => {
    batches.push(x!.length);
    return { y: new Float32Array(x!.length) };
  });
  const many = Array.from({ length: 100 }, () => 0);
  await Promise.all([lane.infer(rows(...many)), ...many.map(() => lane.infer(rows(0)))]);
  assert.deepEqual(batches, [100, 64, 36]);
});

test('a request that breaks the batch fails alone', async () => {
  const lane = new Lane(async ({ x }) => {
    if ((x as number[]).includes(13)) throw new Error('unlucky');
    return { y: Float32Array.from(x as number[]) };
  });
  const outcomes = await Promise.allSettled([1, 13, 2].map((value) => lane.infer(rows(value))));
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
});
