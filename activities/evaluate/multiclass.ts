/** Metrics of a classifier of several classes, as scikit-learn defines them. */
import type { Judge } from './judge.ts';

const epsilon = 2 ** -52;

/** @param labels class indices @param outputs probabilities [rows × classes], row-major */
export function multiclassJudge(labels: Float64Array, outputs: Float32Array, classes: number): Judge {
  const rows = labels.length;
  const predicted = topClasses(outputs, classes);
  const cell = Uint32Array.from(labels, (label, row) => label * classes + predicted[row]!);
  const logLoss = Float64Array.from(labels, (label, row) => {
    const probability = outputs[row * classes + label]!;
    return -Math.log(Math.min(Math.max(probability, epsilon), 1 - epsilon));
  });
  return {
    rows,
    metrics(weights) {
      const counts = new Float64Array(classes * classes);
      let losses = 0;
      let total = 0;
      for (let row = 0; row < rows; row++) {
        const weight = weights ? weights[row]! : 1;
        counts[cell[row]!]! += weight;
        losses += weight * logLoss[row]!;
        total += weight;
      }
      let right = 0;
      for (let k = 0; k < classes; k++) right += counts[k * classes + k]!;
      return { accuracy: right / total, macro_f1: macroF1(counts, classes), log_loss: losses / total };
    },
  };
}

/** The likeliest class of each row; of equals, the first. */
export function topClasses(outputs: Float32Array, classes: number): Uint32Array {
  return Uint32Array.from({ length: outputs.length / classes }, (_, row) => {
    let best = 0;
    for (let k = 1; k < classes; k++) {
      if (outputs[row * classes + k]! > outputs[row * classes + best]!) best = k;
    }
    return best;
  });
}

/** The mean over classes that occur, as labels or as predictions. */
function macroF1(counts: Float64Array, classes: number): number {
  let sum = 0;
  let present = 0;
  for (let k = 0; k < classes; k++) {
    let actual = 0;
    let predicted = 0;
    for (let other = 0; other < classes; other++) {
      actual += counts[k * classes + other]!;
      predicted += counts[other * classes + k]!;
    }
    if (actual + predicted === 0) continue;
    present += 1;
    sum += (2 * counts[k * classes + k]!) / (actual + predicted);
  }
  return sum / present;
}
