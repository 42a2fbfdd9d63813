/**
 * The training step as an ONNX graph: a `Loop` over the mini-batches of one chunk of rows; each turn runs
 * forward, backward and Adam.
 *
 * The gradient is written out by hand: the networks are a chain, and a chain needs no general machinery.
 * The loss is the mean over a batch by row weight.
 */
import { graph } from '../../infra/onnx/graph.ts';
import type { Graph } from '../../infra/onnx/graph.ts';
import { adamNodes } from './adam-graph.ts';
import { cutBlocks, featureInputs, forward, predictions } from './forward-graph.ts';
import type { Forward } from './forward-graph.ts';
import type { Block, Network, Table } from './network.ts';

export interface StepSettings {
  batchSize: number;
  learningRate: number;
  l2: number;
}

/**
 * In: `weights`, `moment1`, `moment2` FLOAT[P]; `time` FLOAT (steps done); `batches` INT64; `numeric`,
 * `categorical`, `label`, `weight` for the rows of a chunk, the last batch perhaps shorter.
 * Out: `weights'`, `moment1'`, `moment2'`, `time'`, and `loss` FLOAT, the sum of the batches' losses.
 */
export function stepGraph(net: Network, settings: StepSettings): Uint8Array {
  const g = graph('step');
  const state = ['weights', 'moment1', 'moment2'].map((name) => g.input(name, 'float', [net.size]));
  state.push(g.input('time', 'float', []));
  const batches = g.input('batches', 'int64', []);
  const rows = {
    ...featureInputs(g, net),
    y: g.input('label', 'float', ['n']),
    w: g.input('weight', 'float', ['n']),
  };
  const body = loopBody(net, settings, rows);
  const start = [batches, g.constant('bool', [1], []), ...state, g.constant('float', [0], [])];
  const [weights, moment1, moment2, time, loss] = g.nodes('Loop', start, 5, {
    body: { graph: body.proto() },
  });
  g.output("weights'", weights!, 'float', [net.size]);
  g.output("moment1'", moment1!, 'float', [net.size]);
  g.output("moment2'", moment2!, 'float', [net.size]);
  g.output("time'", time!, 'float', []);
  g.output('loss', loss!, 'float', []);
  return g.bytes();
}

interface Rows {
  x: string | undefined;
  c: string | undefined;
  y: string;
  w: string;
}

function loopBody(net: Network, settings: StepSettings, chunk: Rows): Graph {
  const g = graph('batch');
  const turn = g.input('turn', 'int64', []);
  const goOn = g.input('goOn', 'bool', []);
  const weights = g.input('weightsIn', 'float', [net.size]);
  const moments = [
    g.input('moment1In', 'float', [net.size]),
    g.input('moment2In', 'float', [net.size]),
  ] as const;
  const time = g.node('Add', [g.input('timeIn', 'float', []), g.constant('float', [1], [])]);
  const lossBefore = g.input('lossIn', 'float', []);

  const { x, c, y, w } = batchOf(g, chunk, turn, settings.batchSize);
  const blockOf = cutBlocks(g, net, weights);
  const pass = forward(g, net, blockOf, x, c);
  const share = g.node('Div', [w, g.node('ReduceSum', [w], { keepdims: 0 })]);
  const { loss, slope } = lossNodes(g, net, pass.logits, y, share);
  const raw = backward(g, net, blockOf, pass, slope);
  const gradient = settings.l2 > 0 ? decayed(g, net, raw, weights, settings.l2) : raw;
  const after = adamNodes(g, weights, gradient, moments, time, settings.learningRate);

  g.output('goOnOut', goOn, 'bool', []);
  g.output('weightsOut', after.weights, 'float', [net.size]);
  g.output('moment1Out', after.moment1, 'float', [net.size]);
  g.output('moment2Out', after.moment2, 'float', [net.size]);
  g.output('timeOut', time, 'float', []);
  g.output('lossOut', g.node('Add', [lossBefore, loss]), 'float', []);
  return g;
}

/** Rows [turn × size, (turn + 1) × size) of each input; `Slice` stops at the end by itself. */
function batchOf(g: Graph, { x, c, y, w }: Rows, turn: string, size: number): Rows {
  const start = g.node('Mul', [
    g.node('Reshape', [turn, g.constant('int64', [1])]),
    g.constant('int64', [size]),
  ]);
  const end = g.node('Add', [start, g.constant('int64', [size])]);
  const axis = g.constant('int64', [0]);
  const cut = (value: string) => g.node('Slice', [value, start, end, axis]);
  return { x: x && cut(x), c: c && cut(c), y: cut(y), w: cut(w) };
}

/** @returns the batch's loss, and its slope by logit [n, outputs]. @param share row weights that sum to 1 */
function lossNodes(g: Graph, net: Network, logits: string, y: string, share: string) {
  const perRow = rowLoss(g, net, logits, y);
  const loss = g.node('ReduceSum', [g.node('Mul', [perRow, share])], { keepdims: 0 });
  const wide = (value: string) => g.node('Unsqueeze', [value, g.constant('int64', [1])]);
  const predicted = predictions(g, net, logits);
  if (net.task === 'multiclass-classification') {
    const off = g.node('Sub', [predicted, oneHot(g, y, net.outputs)]);
    return { loss, slope: g.node('Mul', [off, wide(share)]) };
  }
  const off = g.node('Mul', [g.node('Sub', [predicted, y]), share]);
  const scale = net.task === 'regression' ? g.node('Add', [off, off]) : off;
  return { loss, slope: wide(scale) };
}

/** [n]: cross-entropy in a form that does not overflow, or the squared error. */
export function rowLoss(g: Graph, net: Network, logits: string, y: string): string {
  if (net.task === 'multiclass-classification') {
    const logs = g.node('Mul', [g.node('LogSoftmax', [logits], { axis: 1 }), oneHot(g, y, net.outputs)]);
    return g.node('Neg', [g.node('ReduceSum', [logs, g.constant('int64', [1])], { keepdims: 0 })]);
  }
  const flat = g.node('Squeeze', [logits, g.constant('int64', [1])]);
  if (net.task === 'binary-classification') {
    return g.node('Sub', [g.node('Softplus', [flat]), g.node('Mul', [y, flat])]);
  }
  const error = g.node('Sub', [flat, y]);
  return g.node('Mul', [error, error]);
}

function oneHot(g: Graph, y: string, classes: number): string {
  const index = g.node('Cast', [y], { to: 7 });
  return g.node('OneHot', [index, g.constant('int64', [classes]), g.constant('float', [0, 1])]);
}

/** @returns the gradient as one vector, in the order of the blocks */
function backward(
  g: Graph,
  net: Network,
  blockOf: (block: Block) => string,
  { indices, inputs }: Forward,
  slope: string,
): string {
  const gradients = new Map<Block, string>();
  let back = slope;
  for (const [i, { weight, bias }] of [...net.layers.entries()].toReversed()) {
    gradients.set(bias, g.node('ReduceSum', [back, g.constant('int64', [0])], { keepdims: 0 }));
    if (weight) gradients.set(weight, g.node('Gemm', [inputs[i]!, back], { transA: 1 }));
    if (i === 0) break;
    const through = g.node('Gemm', [back, blockOf(weight!)], { transB: 1 });
    const open = g.node('Cast', [g.node('Greater', [inputs[i]!, g.constant('float', [0], [])])], { to: 1 });
    back = g.node('Mul', [through, open]);
  }
  for (const table of net.oneHots) gradients.set(table.block, scattered(g, table, indices, back));
  if (net.embeddings.length > 0) {
    const slopes = embeddingSlopes(g, net, blockOf(net.layers[0]!.weight!), back);
    for (const [i, table] of net.embeddings.entries()) {
      gradients.set(table.block, scattered(g, table, indices, slopes[i]!));
    }
  }
  const flat = g.constant('int64', [-1]);
  const vectors = net.blocks.map((block) => g.node('Reshape', [gradients.get(block)!, flat]));
  return vectors.length > 1 ? g.node('Concat', vectors, { axis: 0 }) : vectors[0]!;
}

/** Only the embeddings' share of the first layer's inputs has a gradient that anybody needs. */
function embeddingSlopes(g: Graph, net: Network, firstWeight: string, back: string): string[] {
  const widths = net.embeddings.map(({ block }) => block.dims[1]!);
  const from = g.constant('int64', [net.numeric]);
  const until = g.constant('int64', [net.numeric + widths.reduce((sum, width) => sum + width, 0)]);
  const rows = g.node('Slice', [firstWeight, from, until, g.constant('int64', [0])]);
  const slopes = g.node('Gemm', [back, rows], { transB: 1 });
  if (widths.length === 1) return [slopes];
  return g.nodes('Split', [slopes, g.constant('int64', widths)], widths.length, { axis: 1 });
}

/** Sums the rows of `slopes` by index into a table of zeros: a batch touches few rows, but any of them. */
function scattered(g: Graph, { block, column }: Table, indices: Map<number, string>, slopes: string): string {
  const zeros = g.node('ConstantOfShape', [g.constant('int64', block.dims)]);
  const index = g.node('Unsqueeze', [indices.get(column)!, g.constant('int64', [1])]);
  return g.node('ScatterND', [zeros, index, slopes], { reduction: 'add' });
}

/** Adds l2 × weight, biases aside. */
function decayed(g: Graph, net: Network, gradient: string, weights: string, l2: number): string {
  const rates = net.blocks.flatMap(({ size, spread }) => {
    return Array.from({ length: size }, () => (spread > 0 ? l2 : 0));
  });
  return g.node('Add', [gradient, g.node('Mul', [weights, g.constant('float', rates)])]);
}
