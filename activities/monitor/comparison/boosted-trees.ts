/**
 * Gradient boosting on binned columns, as small as it can be: shallow trees, a histogram a node, logistic loss.
 *
 * @see Friedman, "Greedy Function Approximation: A Gradient Boosting Machine" (2001); Ke et al., "LightGBM" (2017), for histograms
 */

/** One column's bins by row, and how many there are; neighbouring bins are alike. */
export interface Binned {
  bins: Uint8Array;
  many: number;
}

interface Split {
  column: number;
  /** Rows of bins up to here go left. */
  bin: number;
  gain: number;
}

type Node = { split: Split; left: Node; right: Node } | { value: number };

const trees = 30;
const depth = 3;
const rate = 0.2;
const leastRows = 20;
/** On a leaf's value, so that few rows do not shout. */
const ridge = 1;

export interface Boosted {
  /** Log-odds of a row. */
  score(row: number): number;
  /** By column: what its splits have gained. */
  gains: Float64Array;
}

/** @param labels 0 or 1, by row. @param rows to learn from; bins of all others may be asked for, too */
export function boosted(columns: readonly Binned[], labels: Uint8Array, rows: Uint32Array): Boosted {
  const scores = new Float64Array(labels.length);
  const gains = new Float64Array(columns.length);
  const forest: Node[] = [];
  for (let i = 0; i < trees; i++) {
    const gradients = new Float64Array(labels.length);
    const weights = new Float64Array(labels.length);
    for (const row of rows) {
      const p = 1 / (1 + Math.exp(-scores[row]!));
      gradients[row] = labels[row]! - p;
      weights[row] = p * (1 - p);
    }
    const tree = grown(columns, { gradients, weights }, rows, depth, gains);
    if ('value' in tree) break; // nothing sets the rows apart any more
    forest.push(tree);
    for (const row of rows) scores[row]! += rate * valueOf(tree, columns, row);
  }
  return {
    score: (row) => forest.reduce((sum, tree) => sum + rate * valueOf(tree, columns, row), 0),
    gains,
  };
}

interface Slopes {
  gradients: Float64Array;
  weights: Float64Array;
}

function grown(
  columns: readonly Binned[],
  slopes: Slopes,
  rows: Uint32Array,
  levels: number,
  gains: Float64Array,
): Node {
  const split = levels > 0 ? bestSplit(columns, slopes, rows) : undefined;
  if (!split) {
    let [g, h] = [0, ridge];
    for (const row of rows) {
      g += slopes.gradients[row]!;
      h += slopes.weights[row]!;
    }
    return { value: g / h };
  }
  gains[split.column]! += split.gain;
  const { bins } = columns[split.column]!;
  const left = rows.filter((row) => bins[row]! <= split.bin);
  const right = rows.filter((row) => bins[row]! > split.bin);
  return {
    split,
    left: grown(columns, slopes, left, levels - 1, gains),
    right: grown(columns, slopes, right, levels - 1, gains),
  };
}

function bestSplit(
  columns: readonly Binned[],
  { gradients, weights }: Slopes,
  rows: Uint32Array,
): Split | undefined {
  let best: Split | undefined;
  for (const [column, { bins, many }] of columns.entries()) {
    const [g, h, n] = [new Float64Array(many), new Float64Array(many), new Float64Array(many)];
    let [allG, allH] = [0, 0];
    for (const row of rows) {
      const bin = bins[row]!;
      g[bin]! += gradients[row]!;
      h[bin]! += weights[row]!;
      n[bin]! += 1;
      allG += gradients[row]!;
      allH += weights[row]!;
    }
    let [leftG, leftH, leftN] = [0, 0, 0];
    for (let bin = 0; bin < many - 1; bin++) {
      leftG += g[bin]!;
      leftH += h[bin]!;
      leftN += n[bin]!;
      if (leftN < leastRows) continue;
      if (rows.length - leftN < leastRows) break;
      const apart = leftG ** 2 / (leftH + ridge) + (allG - leftG) ** 2 / (allH - leftH + ridge);
      const gain = apart - allG ** 2 / (allH + ridge);
      if (gain > (best?.gain ?? 1e-9)) best = { column, bin, gain };
    }
  }
  return best;
}

function valueOf(tree: Node, columns: readonly Binned[], row: number): number {
  let node = tree;
  while ('split' in node) {
    const { column, bin } = node.split;
    node = columns[column]!.bins[row]! <= bin ? node.left : node.right;
  }
  return node.value;
}
