/** Loss and one familiar metric of a state's weights over some parts, in the order of the files. */
import '../../infra/onnx/no-telemetry.mjs';
import type { InferenceSession } from 'onnxruntime-node';
import { Tensor } from 'onnxruntime-node';
import { rocAuc } from '../evaluate/ranking.ts';
import { chunkFeeds, inOrder } from './feeds.ts';
import type { LabelScale } from './feeds.ts';
import type { Network } from './network.ts';
import type { RowReader } from './rows.ts';

export interface Scores {
  /** Mean by row weight, of scaled labels for regression. */
  loss: number;
  labels: Float32Array;
  /** Row-major; of scaled labels for regression. */
  outputs: Float32Array;
}

const chunkRows = 32_768;

export async function scoreParts(
  session: InferenceSession,
  reader: RowReader,
  paths: readonly string[],
  weights: Float32Array,
  net: Network,
  scale: LabelScale,
): Promise<Scores> {
  const rows = (await reader.counts(paths)).reduce((sum, count) => sum + count, 0);
  const scores = { labels: new Float32Array(rows), outputs: new Float32Array(rows * net.outputs) };
  const vector = new Tensor('float32', weights, [net.size]);
  const sums = { loss: 0, weight: 0 };
  let at = 0;
  for (const path of paths) {
    const set = await reader.read(path);
    const order = inOrder(set.rows);
    for (let from = 0; from < set.rows; from += chunkRows) {
      const until = Math.min(set.rows, from + chunkRows);
      const { weight, ...feeds } = chunkFeeds(set, order, from, until, scale);
      const result = await session.run({ weights: vector, ...feeds });
      addWeighted(sums, result['losses']!.data as Float32Array, weight.data as Float32Array);
      scores.labels.set(feeds.label.data as Float32Array, at);
      scores.outputs.set(result['output']!.data as Float32Array, at * net.outputs);
      at += until - from;
    }
  }
  return { ...scores, loss: sums.loss / sums.weight };
}

function addWeighted(
  sums: { loss: number; weight: number },
  losses: Float32Array,
  weights: Float32Array,
): void {
  for (let i = 0; i < losses.length; i++) {
    sums.loss += losses[i]! * weights[i]!;
    sums.weight += weights[i]!;
  }
}

/** Finite ones only: with one class there is no ROC curve. */
export function metricsOf(
  net: Network,
  { loss, labels, outputs }: Scores,
  scale: LabelScale,
  prefix: string,
) {
  const metrics: Record<string, number> = { [`${prefix}_loss`]: loss };
  if (net.task === 'binary-classification') metrics[`${prefix}_roc_auc`] = rocAuc(labels, outputs) ?? NaN;
  if (net.task === 'multiclass-classification') {
    metrics[`${prefix}_accuracy`] = accuracy(labels, outputs, net.outputs);
  }
  if (net.task === 'regression') metrics[`${prefix}_rmse`] = rootMeanSquare(labels, outputs) * scale.spread;
  return Object.fromEntries(Object.entries(metrics).filter(([, value]) => Number.isFinite(value)));
}

function accuracy(labels: Float32Array, outputs: Float32Array, classes: number): number {
  let right = 0;
  for (let i = 0; i < labels.length; i++) {
    const row = outputs.subarray(i * classes, (i + 1) * classes);
    let best = 0;
    for (let k = 1; k < classes; k++) if (row[k]! > row[best]!) best = k;
    if (best === labels[i]) right++;
  }
  return right / labels.length;
}

function rootMeanSquare(labels: Float32Array, outputs: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < labels.length; i++) sum += (labels[i]! - outputs[i]!) ** 2;
  return Math.sqrt(sum / labels.length);
}
