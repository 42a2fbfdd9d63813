/** Rows of a set, in any order, as the tensors of a chunk. */
import '../../infra/onnx/no-telemetry.mjs';
import { Tensor } from 'onnxruntime-node';
import type { RowSet } from './rows.ts';

/** How regression labels are scaled for learning; other labels go as they are. */
export interface LabelScale {
  mean: number;
  spread: number;
}

export interface ChunkFeeds extends Record<string, Tensor> {
  label: Tensor;
  weight: Tensor;
}

/** @param order row numbers; the chunk is those at [from, until) */
export function chunkFeeds(
  set: RowSet,
  order: Uint32Array,
  from: number,
  until: number,
  { mean, spread }: LabelScale,
): ChunkFeeds {
  const rows = until - from;
  const label = new Float32Array(rows);
  const weight = new Float32Array(rows);
  for (let i = 0; i < rows; i++) {
    const row = order[from + i]!;
    label[i] = (set.label[row]! - mean) / spread;
    weight[i] = set.weight[row]!;
  }
  const feeds: ChunkFeeds = {
    label: new Tensor('float32', label, [rows]),
    weight: new Tensor('float32', weight, [rows]),
  };
  if (set.numeric.length > 0) feeds['numeric'] = numericTensor(set, order, from, rows);
  if (set.categorical.length > 0) feeds['categorical'] = indexTensor(set, order, from, rows);
  return feeds;
}

function numericTensor({ numeric }: RowSet, order: Uint32Array, from: number, rows: number): Tensor {
  const width = numeric.length;
  const values = new Float32Array(rows * width);
  for (const [k, column] of numeric.entries()) {
    for (let i = 0, at = k; i < rows; i++, at += width) values[at] = column[order[from + i]!]!;
  }
  return new Tensor('float32', values, [rows, width]);
}

/** Writes the low halves of INT64 only: indices are small, and a BigInt per cell costs more than the step. */
function indexTensor({ categorical }: RowSet, order: Uint32Array, from: number, rows: number): Tensor {
  const width = categorical.length;
  const values = new BigInt64Array(rows * width);
  const halves = new Int32Array(values.buffer);
  for (const [k, column] of categorical.entries()) {
    for (let i = 0, at = 2 * k; i < rows; i++, at += 2 * width) halves[at] = column[order[from + i]!]!;
  }
  return new Tensor('int64', values, [rows, width]);
}

/** 0 … rows - 1, for scoring in the order of the file. */
export const inOrder = (rows: number): Uint32Array => Uint32Array.from({ length: rows }, (_, i) => i);
