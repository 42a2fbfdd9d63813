/**
 * The embedded trainer's model: its shape, and where each weight lies in the one vector that holds all.
 *
 * One vector, since then Adam is a dozen operators for any network, and a checkpoint is three arrays.
 */
import type { Task } from '../../contracts/project.ts';
import type { FeatureLayout } from '../../contracts/trainer.ts';
import { normal, random } from './random.ts';

/** A tensor within the parameter vector. */
export interface Block {
  name: string;
  dims: readonly [number] | readonly [number, number];
  offset: number;
  size: number;
  /** Standard deviation of its first values; 0 for biases, which L2 leaves alone too. */
  spread: number;
}

/** A categorical feature: `column` is its place in `categorical`, `block` its table [cardinality, width]. */
export interface Table {
  column: number;
  block: Block;
}

export interface Layer {
  weight: Block | undefined;
  bias: Block;
}

export interface Network {
  task: Task;
  numeric: number;
  categorical: number;
  /** Rows of a table join the numbers as inputs of the first layer. */
  embeddings: Table[];
  /** A one-hot input times a weight matrix is a row of that matrix: added to the first layer's sums. */
  oneHots: Table[];
  layers: Layer[];
  outputs: number;
  blocks: Block[];
  size: number;
}

export function networkOf(task: Task, layout: FeatureLayout, hidden: readonly number[]): Network {
  const blocks: Block[] = [];
  const block = (name: string, dims: Block['dims'], spread: number): Block => {
    const last = blocks.at(-1);
    const size = dims[0] * (dims[1] ?? 1);
    const made = { name, dims, offset: last ? last.offset + last.size : 0, size, spread };
    blocks.push(made);
    return made;
  };
  const columns = layout.categorical.map((feature, column) => ({ ...feature, column }));
  const outputs = task === 'multiclass-classification' ? layout.classes.length : 1;
  const widths = [...hidden, outputs];

  const embeddings = columns
    .filter(({ encode }) => encode === 'embedding')
    .map(({ column, cardinality, dimensions }) => ({
      column,
      block: block(`embedding_${column}`, [cardinality, dimensions], 0.1),
    }));
  const encoded = columns.filter(({ encode }) => encode === 'one-hot');
  const inputs = layout.numeric.length + embeddings.reduce((sum, each) => sum + each.block.dims[1]!, 0);
  const spreads = spreadsOf(
    [inputs + encoded.reduce((sum, { cardinality }) => sum + cardinality, 0), ...hidden],
    widths,
  );
  const oneHots = encoded.map(({ column, cardinality }) => ({
    column,
    block: block(`one_hot_${column}`, [cardinality, widths[0]!], spreads[0]!),
  }));
  const layers = widths.map((width, i) => {
    const from = i === 0 ? inputs : widths[i - 1]!;
    return {
      weight: from > 0 ? block(`weight_${i}`, [from, width], spreads[i]!) : undefined,
      bias: block(`bias_${i}`, [width], 0),
    };
  });
  const size = blocks.reduce((sum, each) => sum + each.size, 0);
  const { numeric, categorical } = layout;
  return {
    task,
    numeric: numeric.length,
    categorical: categorical.length,
    embeddings,
    oneHots,
    layers,
    outputs,
    blocks,
    size,
  };
}

/**
 * Of each layer's first weights. He's spread keeps the signal's size through a relu; where none was before, or none comes
 * after, Glorot's does. A linear model starts at nearly nothing, for its loss has one valley only.
 *
 * @param from inputs of each layer, every value of a one-hot column being one
 * @see Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010, eq. 12
 * @see He et al., "Delving Deep into Rectifiers", ICCV 2015, §2.2
 */
function spreadsOf(from: readonly number[], widths: readonly number[]): number[] {
  if (widths.length === 1) return [0.01];
  return widths.map((width, i) => {
    const inner = i > 0 && i < widths.length - 1;
    return inner ? Math.sqrt(2 / from[i]!) : Math.sqrt(2 / (from[i]! + width));
  });
}

export function firstWeights({ blocks, size }: Network, seed: number): Float32Array {
  const weights = new Float32Array(size);
  for (const [i, { offset, size: length, spread }] of blocks.entries()) {
    if (spread === 0) continue;
    const next = normal(random(seed, 7, i));
    for (let at = offset; at < offset + length; at++) weights[at] = next() * spread;
  }
  return weights;
}
