/** The pictures of a model: ROC, calibration, confusion, and the histogram of what it says. */
import type { Scorecard } from '../../contracts/evaluation.ts';
import { bins, calibrationBin } from './binary.ts';
import type { Predicted } from './judge.ts';
import { topClasses } from './multiclass.ts';
import { byFallingScore } from './ranking.ts';

const rocPoints = 200;
const histogramBins = 20;

/** At most 200 points of the curve, of which the first is (0, 0) and the last (1, 1). */
export function rocCurve(labels: Float64Array, scores: Float32Array): { fpr: number; tpr: number }[] {
  const order = byFallingScore(scores);
  const positives = labels.reduce((sum, label) => sum + label, 0);
  const negatives = labels.length - positives;
  const points = [{ fpr: 0, tpr: 0 }];
  let [hits, alarms] = [0, 0];
  for (const [i, row] of order.entries()) {
    if (labels[row] === 1) hits++;
    else alarms++;
    const tied = i + 1 < order.length && scores[order[i + 1]!] === scores[row];
    if (tied) continue;
    const point = { fpr: alarms / negatives, tpr: hits / positives };
    const last = points.at(-1)!;
    // The curve is at most 2 long, so steps of 2 / 198 leave at most 199 points before the end.
    const far = point.fpr - last.fpr + point.tpr - last.tpr >= 2 / (rocPoints - 2);
    if (far || i === order.length - 1) points.push(point);
  }
  return points;
}

/**
 * Ten bins with what was predicted and what came: by probability for classifiers (of the class that was
 * predicted, if there are several), by tenths of the rows for regression. Empty bins are left out.
 */
export function calibrationOf(predicted: Predicted): Scorecard['calibration'] {
  const { task, labels } = predicted;
  if (task === 'regression') return calibrationByTenths(predicted);
  const { scores, hits } = confidence(predicted);
  const found = Array.from({ length: bins }, () => ({ rows: 0, scores: 0, hits: 0 }));
  for (let row = 0; row < labels.length; row++) {
    const bin = found[calibrationBin(scores[row]!)]!;
    bin.rows += 1;
    bin.scores += scores[row]!;
    bin.hits += hits[row]!;
  }
  return found.flatMap((bin, i) => {
    if (bin.rows === 0) return [];
    const { rows } = bin;
    const edges = { from: i / bins, to: (i + 1) / bins };
    return [{ ...edges, rows, predicted: bin.scores / rows, actual: bin.hits / rows }];
  });
}

function calibrationByTenths({ labels, outputs }: Predicted): Scorecard['calibration'] {
  const order = byFallingScore(outputs).toReversed();
  return Array.from({ length: bins }, (_, i) => {
    const some = order.subarray(
      Math.floor((i * order.length) / bins),
      Math.floor(((i + 1) * order.length) / bins),
    );
    const mean = (values: ArrayLike<number>) =>
      some.reduce((sum, row) => sum + values[row]!, 0) / some.length;
    const edges = { from: outputs[some[0] ?? 0]!, to: outputs[some.at(-1) ?? 0]! };
    return { ...edges, rows: some.length, predicted: mean(outputs), actual: mean(labels) };
  }).filter(({ rows }) => rows > 0);
}

/** The probability that a classifier stands by, and whether it came true. */
function confidence({ task, labels, outputs, classes }: Predicted) {
  if (task === 'binary-classification') return { scores: outputs, hits: labels };
  const top = topClasses(outputs, classes);
  return {
    scores: Float32Array.from(top, (k, row) => outputs[row * classes + k]!),
    hits: Float64Array.from(top, (k, row) => (k === labels[row] ? 1 : 0)),
  };
}

/** rows = actual, columns = predicted. */
export function confusionOf({ task, labels, outputs, classes }: Predicted): number[][] {
  const width = task === 'binary-classification' ? 2 : classes;
  const top =
    task === 'binary-classification' ? outputs.map((p) => (p >= 0.5 ? 1 : 0)) : topClasses(outputs, classes);
  const counts = Array.from({ length: width }, () => zeros(width));
  for (let row = 0; row < labels.length; row++) counts[labels[row]!]![top[row]!]!++;
  return counts;
}

/** What monitoring compares later predictions with. */
export function predictionHistogram(predicted: Predicted): Scorecard['predictions'] {
  const regression = predicted.task === 'regression';
  const values = regression ? predicted.outputs : confidence(predicted).scores;
  const low = regression ? values.reduce((a, b) => Math.min(a, b), Infinity) : 0;
  const high = regression ? values.reduce((a, b) => Math.max(a, b), -Infinity) : 1;
  const counts = zeros(histogramBins);
  for (const value of values) {
    const bin = Math.floor(((value - low) / (high - low || 1)) * histogramBins);
    counts[Math.min(bin, histogramBins - 1)]!++;
  }
  return { low, high, counts };
}

const zeros = (length: number): number[] => Array.from({ length }, () => 0);
