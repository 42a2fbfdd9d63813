/** Metrics of a regression, as scikit-learn defines them. */
import type { Judge } from './judge.ts';

export function regressionJudge(labels: Float64Array, outputs: Float32Array): Judge {
  const rows = labels.length;
  // Around the mean, so that the variance of large labels keeps its digits.
  const center = labels.reduce((sum, label) => sum + label, 0) / rows;
  return {
    rows,
    metrics(weights) {
      let [total, sum, squares, errors, absolute] = [0, 0, 0, 0, 0];
      for (let row = 0; row < rows; row++) {
        const weight = weights ? weights[row]! : 1;
        const off = labels[row]! - center;
        const error = labels[row]! - outputs[row]!;
        total += weight;
        sum += weight * off;
        squares += weight * off * off;
        errors += weight * error * error;
        absolute += weight * Math.abs(error);
      }
      const spread = squares - (sum * sum) / total;
      return { rmse: Math.sqrt(errors / total), mae: absolute / total, r2: rSquared(errors, spread, rows) };
    },
  };
}

/** A constant label: 1 if every prediction is right, else 0; of one row there is no r². */
function rSquared(errors: number, spread: number, rows: number): number {
  if (rows < 2) return NaN;
  if (spread <= 0) return errors === 0 ? 1 : 0;
  return 1 - errors / spread;
}
