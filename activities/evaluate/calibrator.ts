/**
 * Whether a classifier's scores are to be read as probabilities as they are, or by an isotonic fit: by what is nearer to
 * the labels of rows that the fit has not seen. As NannyML decides it, over ten splits, each with a tenth left out.
 */
import type { Calibrator } from '../../contracts/watch.ts';
import { permutation, random } from '../train/random.ts';
import { calibrated, isotonic } from './isotonic.ts';
import type { Predicted } from './judge.ts';

const seed = 42;
const splits = 10;
const leftOut = 0.1;
const bins = 10;
/** Fewer rows fit anything. */
const fewestRows = 100;
/** A fit on so many is as good as on all. */
const mostRows = 100_000;

/** One a class, or for a binary classifier one. */
export function calibratorsOf(predicted: Predicted): (Calibrator | null)[] {
  const { task, labels, outputs, classes } = predicted;
  if (task === 'binary-classification') return [calibratorOf(outputs, labels)];
  return Array.from({ length: classes }, (_, k) =>
    calibratorOf(
      Float32Array.from(labels, (_label, row) => outputs[row * classes + k]!),
      Float64Array.from(labels, (label) => (label === k ? 1 : 0)),
    ),
  );
}

/** @returns null where the scores are as good. @param labels 0 or 1 */
export function calibratorOf(scores: Float32Array, labels: Float64Array): Calibrator | null {
  const next = random(seed);
  const all = permutation(labels.length, next).subarray(0, mostRows);
  const byLabel = [0, 1].map((label) => all.filter((row) => labels[row] === label));
  if (all.length < fewestRows || byLabel.some(({ length }) => length < splits)) return null;
  let [asTheyAre, fitted] = [0, 0];
  for (let split = 0; split < splits; split++) {
    const [train, test] = stratified(byLabel, next);
    const fit = isotonic(pick(scores, train), pick(labels, train));
    const truth = pick(labels, test);
    asTheyAre += calibrationError(pick(scores, test), truth);
    fitted += calibrationError(
      pick(scores, test).map((score) => calibrated(fit, score)),
      truth,
    );
  }
  return fitted < asTheyAre ? isotonic(pick(scores, all), pick(labels, all)) : null;
}

/** @returns the rows to fit on, and those to look at */
function stratified(byLabel: readonly Uint32Array[], next: () => number): [number[], number[]] {
  const sides: [number[], number[]] = [[], []];
  for (const rows of byLabel) {
    const few = Math.max(1, Math.round(rows.length * leftOut));
    permutation(rows.length, next).forEach((i, at) => sides[at < few ? 1 : 0].push(rows[i]!));
  }
  return sides;
}

const pick = (values: Float32Array | Float64Array, rows: ArrayLike<number>): Float64Array =>
  Float64Array.from(rows, (row) => values[row]!);

/** Σ share of a bin × |mean probability − share of positives|, over ten bins of equally many rows by rising probability. */
function calibrationError(probabilities: Float64Array, labels: Float64Array): number {
  const order = Uint32Array.from(labels.keys()).sort((a, b) => probabilities[a]! - probabilities[b]!);
  let error = 0;
  for (let bin = 0; bin < bins; bin++) {
    const from = Math.floor((bin * order.length) / bins);
    const rows = order.subarray(from, Math.floor(((bin + 1) * order.length) / bins));
    error += Math.abs(rows.reduce((sum, row) => sum + probabilities[row]! - labels[row]!, 0));
  }
  return error / order.length;
}
