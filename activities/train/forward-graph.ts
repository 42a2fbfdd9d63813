/** The forward pass as ONNX, shared by the training step, by scoring, and by the exported model. */
import { graph } from '../../infra/onnx/graph.ts';
import type { Graph } from '../../infra/onnx/graph.ts';
import type { Block, Network, Table } from './network.ts';

/** The values that the backward pass needs again. */
export interface Forward {
  /** Index columns [n], by place in `categorical`. */
  indices: Map<number, string>;
  /** Inputs of each layer [n, width]; undefined where the first layer has none. */
  inputs: (string | undefined)[];
  /** [n, outputs], before sigmoid or softmax. */
  logits: string;
}

/** @param weight names the tensor of a block */
export function forward(
  g: Graph,
  net: Network,
  weight: (block: Block) => string,
  x: string | undefined,
  c: string | undefined,
): Forward {
  const indices = new Map<number, string>();
  for (const { column } of [...net.embeddings, ...net.oneHots]) {
    indices.set(column, g.node('Gather', [c!, g.constant('int64', [column], [])], { axis: 1 }));
  }
  const rows = ({ block, column }: Table) => g.node('Gather', [weight(block), indices.get(column)!]);

  const parts = [...(x ? [x] : []), ...net.embeddings.map(rows)];
  let value = parts.length > 1 ? g.node('Concat', parts, { axis: 1 }) : parts[0];
  const inputs: Forward['inputs'] = [];
  for (const [i, { weight: matrix, bias }] of net.layers.entries()) {
    inputs.push(value);
    let sums = matrix && value ? g.node('Gemm', [value, weight(matrix), weight(bias)]) : weight(bias);
    if (i === 0) for (const table of net.oneHots) sums = g.node('Add', [rows(table), sums]);
    value = i === net.layers.length - 1 ? sums : g.node('Relu', [sums]);
  }
  return { indices, inputs, logits: value! };
}

/** [n] probabilities or values, or [n, classes] probabilities. */
export function predictions(g: Graph, net: Network, logits: string): string {
  if (net.task === 'multiclass-classification') return g.node('Softmax', [logits], { axis: 1 });
  const flat = g.node('Squeeze', [logits, g.constant('int64', [1])]);
  return net.task === 'binary-classification' ? g.node('Sigmoid', [flat]) : flat;
}

/** Declares `numeric` and `categorical` as far as the network has such columns. */
export function featureInputs(g: Graph, net: Network): { x: string | undefined; c: string | undefined } {
  return {
    x: net.numeric > 0 ? g.input('numeric', 'float', ['n', net.numeric]) : undefined,
    c: net.categorical > 0 ? g.input('categorical', 'int64', ['n', net.categorical]) : undefined,
  };
}

/** Cuts the parameter vector into its blocks: one `Split`, and a view each. */
export function cutBlocks(g: Graph, net: Network, vector: string): (block: Block) => string {
  const sizes = g.constant(
    'int64',
    net.blocks.map(({ size }) => size),
  );
  const pieces = net.blocks.length > 1 ? g.nodes('Split', [vector, sizes], net.blocks.length) : [vector];
  const named = new Map(
    net.blocks.map((block, i) => [block, g.node('Reshape', [pieces[i]!, g.constant('int64', block.dims)])]),
  );
  return (block) => named.get(block)!;
}

/**
 * The finished model, as contracts/trainer.ts describes it.
 *
 * @param labels regression: the network learned (y - mean) / spread; the last layer takes it back
 */
export function exportModel(
  net: Network,
  weights: Float32Array,
  labels: { mean: number; spread: number },
): Uint8Array {
  const g = graph('network');
  const { x, c } = featureInputs(g, net);
  const { logits } = forward(
    g,
    net,
    (block) => {
      const values = weights.subarray(block.offset, block.offset + block.size);
      return g.constant('float', rescaled(net, block, values, labels), block.dims);
    },
    x,
    c,
  );
  const shape = net.outputs > 1 ? ['n', net.outputs] : ['n'];
  g.output('output', predictions(g, net, logits), 'float', shape);
  return g.bytes();
}

function rescaled(
  net: Network,
  block: Block,
  values: Float32Array,
  { mean, spread }: { mean: number; spread: number },
): Float32Array {
  const last = net.layers.at(-1)!;
  const feedsOutput = net.layers.length === 1 && net.oneHots.some((table) => table.block === block);
  if (block === last.weight || feedsOutput) return values.map((value) => value * spread);
  return block === last.bias ? values.map((value) => value * spread + mean) : values;
}
