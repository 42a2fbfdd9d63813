/** A gradient-boosted model of a hundred trees over thirty numbers, the size that tables of them often have. */
import { graph } from '../infra/onnx/graph.ts';
import type { Graph } from '../infra/onnx/graph.ts';

export const features = 30;

/**
 * Takes `x` FP32 [rows, 30], gives `probability` FP32 [rows, 1]; in columns, as packages have them, `x0` to `x29` FP64
 * [rows] and `probability` FP32 [rows].
 *
 * @param trees of depth 6, with splits and leaves from a seed
 */
export function treesModel(trees = 100, depth = 6, inColumns = false): Uint8Array {
  const random = seeded(7);
  const nodes: { tree: number; id: number; feature: number; value: number; leaf: boolean }[] = [];
  const first = 2 ** depth - 1;
  for (let tree = 0; tree < trees; tree++)
    for (let id = 0; id < 2 ** (depth + 1) - 1; id++)
      nodes.push({ tree, id, feature: Math.floor(random() * features), value: random(), leaf: id >= first });
  const leaves = nodes.filter(({ leaf }) => leaf);
  const each = <T>(of: (node: (typeof nodes)[number]) => T): T[] => nodes.map(of);
  const g = graph('trees');
  const score = g.node(
    'TreeEnsembleRegressor',
    [inColumns ? concatenated(g) : g.input('x', 'float', ['rows', features])],
    {
      n_targets: 1,
      nodes_treeids: each(({ tree }) => tree),
      nodes_nodeids: each(({ id }) => id),
      nodes_featureids: each(({ feature, leaf }) => (leaf ? 0 : feature)),
      nodes_values: { floats: each(({ value, leaf }) => (leaf ? 0 : value)) },
      nodes_modes: each(({ leaf }) => (leaf ? 'LEAF' : 'BRANCH_LT')),
      nodes_truenodeids: each(({ id, leaf }) => (leaf ? 0 : 2 * id + 1)),
      nodes_falsenodeids: each(({ id, leaf }) => (leaf ? 0 : 2 * id + 2)),
      target_treeids: leaves.map(({ tree }) => tree),
      target_nodeids: leaves.map(({ id }) => id),
      target_ids: leaves.map(() => 0),
      target_weights: { floats: leaves.map(() => random() / 10 - 0.05) },
    },
    'ai.onnx.ml',
  );
  const probability = g.node('Sigmoid', [score]);
  if (inColumns) {
    const flat = g.node('Squeeze', [probability, g.constant('int64', [1])]);
    g.output('probability', flat, 'float', ['rows']);
  } else g.output('probability', probability, 'float', ['rows', 1]);
  return g.bytes();
}

function concatenated(g: Graph): string {
  const columns = Array.from({ length: features }, (_, i) => g.input(`x${i}`, 'double', ['rows']));
  const second = g.constant('int64', [1]);
  const tall = columns.map((column) => g.node('Unsqueeze', [column, second]));
  return g.node('Cast', [g.node('Concat', tall, { axis: 1 })], { to: 1 });
}

/** @returns numbers in [0, 1). @see Steele and Vigna, "splitmix" */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}
