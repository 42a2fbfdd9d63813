/** Metrics of a binary classifier, as scikit-learn defines them; ECE over ten equal bins. */
import type { Judge, Weights } from './judge.ts';
import { byFallingScore } from './ranking.ts';

const epsilon = 2 ** -52; // where scikit-learn clips a float64 probability in log_loss
export const bins = 10;

/** @param labels 0 or 1 @param scores probabilities of 1; positive from 0.5 on */
export function binaryJudge(labels: Float64Array, scores: Float32Array): Judge {
  const sorted = sortedRows(labels, scores);
  return {
    rows: labels.length,
    metrics(weights) {
      const { calibration, ...sums } = sumUp(sorted, weights);
      const { positives, negatives, truePositives, falsePositives } = sums;
      const rows = positives + negatives;
      const precision = ratio(truePositives, truePositives + falsePositives);
      const recall = ratio(truePositives, positives);
      return {
        accuracy: (truePositives + negatives - falsePositives) / rows,
        precision,
        recall,
        f1: ratio(2 * precision * recall, precision + recall),
        roc_auc: sums.pairs / (positives * negatives),
        pr_auc: sums.precisions / positives,
        log_loss: sums.logLoss / rows,
        brier: sums.squares / rows,
        ece: expectedCalibrationError(calibration, rows),
      };
    },
  };
}

/** 0/0 is 0, as scikit-learn has it (with a warning). */
const ratio = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);

/** Parallel arrays by falling score. `ends[i]`: 1 on the last row of a run of equal scores. */
interface Sorted {
  order: Uint32Array;
  label: Uint8Array;
  score: Float64Array;
  logLoss: Float64Array;
  square: Float64Array;
  bin: Uint8Array;
  ends: Uint8Array;
}

function sortedRows(labels: Float64Array, scores: Float32Array): Sorted {
  const order = byFallingScore(scores);
  const score = Float64Array.from(order, (row) => scores[row]!);
  const label = Uint8Array.from(order, (row) => labels[row]!);
  const logLoss = score.map((p, i) => {
    const clipped = Math.min(Math.max(p, epsilon), 1 - epsilon);
    return -Math.log(label[i] ? clipped : 1 - clipped);
  });
  return {
    ...{ order, label, score, logLoss },
    square: score.map((p, i) => (p - label[i]!) ** 2),
    bin: Uint8Array.from(score, calibrationBin),
    ends: Uint8Array.from(score, (p, i) => (p === score[i + 1] ? 0 : 1)),
  };
}

/** A score on an inner edge belongs to the bin below it, as in scikit-learn's calibration_curve. */
export function calibrationBin(score: number): number {
  let bin = 0;
  while (bin < bins - 1 && score > (bin + 1) * 0.1) bin++;
  return bin;
}

/** One pass from the highest score down. Tied scores count as one step of the curve. */
function sumUp({ order, label, score, logLoss, square, bin, ends }: Sorted, weights: Weights | undefined) {
  const calibration = {
    rows: new Float64Array(bins),
    scores: new Float64Array(bins),
    hits: new Float64Array(bins),
  };
  let [pairs, precisions, losses, squares] = [0, 0, 0, 0];
  let [truePositives, falsePositives] = [0, 0];
  let [positives, negatives, tiedPositives, tiedNegatives] = [0, 0, 0, 0];
  for (let i = 0; i < order.length; i++) {
    const weight = weights ? weights[order[i]!]! : 1;
    if (label[i] === 1) tiedPositives += weight;
    else tiedNegatives += weight;
    losses += weight * logLoss[i]!;
    squares += weight * square[i]!;
    calibration.rows[bin[i]!]! += weight;
    calibration.scores[bin[i]!]! += weight * score[i]!;
    calibration.hits[bin[i]!]! += weight * label[i]!;
    if (ends[i] === 0) continue;
    pairs += tiedNegatives * (positives + tiedPositives / 2);
    positives += tiedPositives;
    negatives += tiedNegatives;
    if (tiedPositives > 0) precisions += (tiedPositives * positives) / (positives + negatives);
    tiedPositives = 0;
    tiedNegatives = 0;
    if (score[i]! >= 0.5) {
      truePositives = positives;
      falsePositives = negatives;
    }
  }
  const counts = { positives, negatives, truePositives, falsePositives };
  return { ...counts, pairs, precisions, logLoss: losses, squares, calibration };
}

/** Σ share of a bin × |mean score − share of positives|. */
function expectedCalibrationError(
  { rows, scores, hits }: { rows: Float64Array; scores: Float64Array; hits: Float64Array },
  total: number,
): number {
  return (
    rows.reduce((sum, count, i) => (count === 0 ? sum : sum + Math.abs(scores[i]! - hits[i]!)), 0) / total
  );
}
