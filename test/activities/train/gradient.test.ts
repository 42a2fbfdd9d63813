/** The hand-written gradient against finite differences, for every task and kind of input. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tensor } from 'onnxruntime-node';
import type { Task } from '../../../contracts/project.ts';
import type { FeatureLayout } from '../../../contracts/trainer.ts';
import { networkOf } from '../../../activities/train/network.ts';
import { normal, random } from '../../../activities/train/random.ts';
import { scoreGraph } from '../../../activities/train/score-graph.ts';
import { stepGraph } from '../../../activities/train/step-graph.ts';
import { openSession } from '../../../infra/onnx/session.ts';

const rows = 40;
const category = (name: string, encode: 'one-hot' | 'embedding') => {
  return { name, encode, cardinality: 5, dimensions: encode === 'one-hot' ? 5 : 3 };
};
const layouts: Record<string, Omit<FeatureLayout, 'classes'>> = {
  'numbers and categories': {
    numeric: ['a', 'b'],
    categorical: [category('c', 'one-hot'), category('d', 'embedding'), category('e', 'embedding')],
  },
  'one-hot alone': { numeric: [], categorical: [category('c', 'one-hot')] },
  'one embedding alone': { numeric: [], categorical: [category('d', 'embedding')] },
  'numbers alone': { numeric: ['a', 'b'], categorical: [] },
};
const tasks: Task[] = ['binary-classification', 'multiclass-classification', 'regression'];

for (const task of tasks) {
  for (const [name, layout] of Object.entries(layouts)) {
    for (const hidden of [[], [4, 3]]) {
      test(`${task} on ${name}, hidden [${hidden.join()}]`, () => gradientAgrees(task, layout, hidden));
    }
  }
}

/** Adam's first moment after one step from zero is a tenth of the gradient. */
async function gradientAgrees(task: Task, layout: Omit<FeatureLayout, 'classes'>, hidden: number[]) {
  const classes = task === 'multiclass-classification' ? ['x', 'y', 'z'] : [];
  const net = networkOf(task, { ...layout, classes }, hidden);
  const next = normal(random(3));
  const weights = Float32Array.from({ length: net.size }, () => next() * 0.7);
  const feeds = feedsOf(task, layout);
  const zeros = () => new Tensor('float32', new Float32Array(net.size), [net.size]);
  const step = await openSession(stepGraph(net, { batchSize: rows, learningRate: 0.1, l2: 0 }));
  const after = await step.run({
    weights: new Tensor('float32', weights, [net.size]),
    moment1: zeros(),
    moment2: zeros(),
    time: new Tensor('float32', [0], []),
    batches: new Tensor('int64', [1n], []),
    ...feeds,
  });
  const gradient = (after["moment1'"]!.data as Float32Array).map((value) => value * 10);

  const score = await openSession(scoreGraph(net));
  const loss = async (at: number, change: number) => {
    const moved = weights.slice();
    moved[at]! += change;
    const { weight, ...inputs } = feeds;
    const result = await score.run({ weights: new Tensor('float32', moved, [net.size]), ...inputs });
    const shares = weight!.data as Float32Array;
    const losses = result['losses']!.data as Float32Array;
    const sum = losses.reduce((total, value, i) => total + value * shares[i]!, 0);
    return sum / shares.reduce((total, value) => total + value, 0);
  };
  assert.ok(Math.abs((after['loss']!.data as Float32Array)[0]! - (await loss(0, 0))) < 1e-5);
  for (let at = 0; at < net.size; at++) {
    const slope = ((await loss(at, 5e-4)) - (await loss(at, -5e-4))) / 1e-3;
    const block = net.blocks.findLast(({ offset }) => offset <= at)!;
    const close = Math.abs(slope - gradient[at]!) < 2e-3 + 0.02 * Math.abs(slope);
    assert.ok(close, `${block.name}[${at - block.offset}]: measured ${slope}, computed ${gradient[at]}`);
  }
}

function feedsOf(task: Task, layout: Omit<FeatureLayout, 'classes'>): Record<string, Tensor> {
  const next = random(5);
  const bell = normal(next);
  const floats = (size: number, value: () => number) => Float32Array.from({ length: size }, value);
  const label = () => (task === 'regression' ? bell() : Math.floor(next() * (task[0] === 'b' ? 2 : 3)));
  const feeds: Record<string, Tensor> = {
    label: new Tensor('float32', floats(rows, label), [rows]),
    weight: new Tensor(
      'float32',
      floats(rows, () => 0.5 + next()),
      [rows],
    ),
  };
  const [numbers, categories] = [layout.numeric.length, layout.categorical.length];
  if (numbers > 0) feeds['numeric'] = new Tensor('float32', floats(rows * numbers, bell), [rows, numbers]);
  if (categories > 0) {
    const indices = BigInt64Array.from({ length: rows * categories }, () => BigInt(Math.floor(next() * 5)));
    feeds['categorical'] = new Tensor('int64', indices, [rows, categories]);
  }
  return feeds;
}
