/**
 * Quality before the labels have come: confidence-based performance estimation. A classifier that says 0.8, and whose word
 * is calibrated, is right in 8 of 10 such cases; so its scores tell how good it is, as long as the world keeps its habits.
 * It cannot see that what the model learned holds no longer (concept drift).
 *
 * @see NannyML's documentation, "Confidence-based Performance Estimation (CBPE)": the same sums, thresholds at 0.5
 */
import type { Estimate } from '../../contracts/monitor.ts';
import type { MetricValue } from '../../contracts/evaluation.ts';
import type { Calibrator } from '../../contracts/watch.ts';
import { calibrated } from '../evaluate/isotonic.ts';
import { topClasses } from '../evaluate/multiclass.ts';
import { byFallingScore } from '../evaluate/ranking.ts';

/** As scikit-learn clips in log_loss. */
const epsilon = 2 ** -52;
const deviations = 3;
/** Of a 95 % interval, in standard deviations. */
const intervalWidth = 2 * 1.959964;

export interface Estimator {
  calibrators: readonly (Calibrator | null)[];
  /** On the holdout, with how many rows it had: an interval's width says what a sample of another size can be off by. */
  holdout: { rows: number; metrics: Record<string, MetricValue> };
}

/** @param outputs probabilities: of the positive class, or [rows × classes] with a calibrator each. @returns null of no rows */
export function estimateOf(outputs: Float32Array, { calibrators, holdout }: Estimator): Estimate | null {
  const rows = outputs.length / calibrators.length;
  if (rows === 0) return null;
  const expected =
    calibrators.length === 1
      ? expectedBinary(outputs, calibrators[0]!)
      : expectedMulticlass(outputs, calibrators);
  const metrics: Estimate['metrics'] = {};
  for (const [name, value] of Object.entries(expected)) {
    const { low, high } = holdout.metrics[name] ?? {};
    if (!Number.isFinite(value) || typeof low !== 'number' || typeof high !== 'number') continue;
    const error = ((high - low) / intervalWidth) * Math.sqrt(holdout.rows / rows);
    metrics[name] = { value, low: value - deviations * error, high: value + deviations * error };
  }
  return { rows, metrics };
}

/** Expected counts of what is right and wrong, and from them what is said of labels. */
export function expectedBinary(scores: Float32Array, calibrator: Calibrator | null): Record<string, number> {
  let [tp, fp, fn, tn, logLoss, squares] = [0, 0, 0, 0, 0, 0];
  const chances = Float64Array.from(scores, (score) => (calibrator ? calibrated(calibrator, score) : score));
  scores.forEach((score, row) => {
    const p = chances[row]!;
    const clipped = Math.min(Math.max(score, epsilon), 1 - epsilon);
    logLoss -= p * Math.log(clipped) + (1 - p) * Math.log(1 - clipped);
    squares += p * (1 - score) ** 2 + (1 - p) * score ** 2;
    if (score >= 0.5) [tp, fp] = [tp + p, fp + 1 - p];
    else [fn, tn] = [fn + p, tn + 1 - p];
  });
  const rows = scores.length;
  const [precision, recall] = [ratio(tp, tp + fp), ratio(tp, tp + fn)];
  return {
    accuracy: (tp + tn) / rows,
    ...{ precision, recall, f1: ratio(2 * tp, 2 * tp + fp + fn) },
    roc_auc: expectedAuc(scores, chances),
    ...{ log_loss: logLoss / rows, brier: squares / rows },
  };
}

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

/** The area under the curve of expected counts, from the highest score down. */
function expectedAuc(scores: Float32Array, chances: Float64Array): number {
  let [area, hits, misses] = [0, 0, 0];
  for (const row of byFallingScore(scores)) {
    const p = chances[row]!;
    area += (1 - p) * (hits + p / 2);
    hits += p;
    misses += 1 - p;
  }
  return area / (hits * misses);
}

function expectedMulticlass(
  outputs: Float32Array,
  calibrators: readonly (Calibrator | null)[],
): Record<string, number> {
  const classes = calibrators.length;
  const top = topClasses(outputs, classes);
  let [right, logLoss] = [0, 0];
  top.forEach((best, row) => {
    const scores = outputs.subarray(row * classes, (row + 1) * classes);
    const chances = Array.from(scores, (score, k) => {
      const calibrator = calibrators[k];
      return calibrator ? calibrated(calibrator, score) : score;
    });
    const all = chances.reduce((sum, p) => sum + p, 0) || 1;
    right += chances[best]! / all;
    chances.forEach((p, k) => {
      logLoss -= (p / all) * Math.log(Math.min(Math.max(scores[k]!, epsilon), 1 - epsilon));
    });
  });
  return { accuracy: right / top.length, log_loss: logLoss / top.length };
}
