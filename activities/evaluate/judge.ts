/**
 * A judge holds labels and predictions of fixed rows, sorted once, and gives the metrics of any weighting
 * of them: all weights one for the value itself, random ones for its interval.
 */
import type { Task } from '../../contracts/project.ts';
import type { Signature } from '../../contracts/serving.ts';
import { binaryJudge } from './binary.ts';
import { multiclassJudge } from './multiclass.ts';
import { regressionJudge } from './regression.ts';

/** Whole-number weights by row. */
export type Weights = Uint8Array;

export interface Judge {
  rows: number;
  /** NaN where a metric has no value, such as the AUC of one class. Costs one pass over the rows. */
  metrics(weights?: Weights): Record<string, number>;
}

export interface Predicted {
  task: Task;
  /** 0 or 1, a class index, or the value. */
  labels: Float64Array;
  /** Row-major: one value a row, or one a class. */
  outputs: Float32Array;
  classes: number;
}

export function judgeOf({ task, labels, outputs, classes }: Predicted): Judge {
  if (task === 'binary-classification') return binaryJudge(labels, outputs);
  return task === 'regression' ? regressionJudge(labels, outputs) : multiclassJudge(labels, outputs, classes);
}

/** Numbers a row of the first output: one a class if there are several, else one. */
export const outputWidth = ({ outputs }: Pick<Signature, 'outputs'>): number =>
  Math.max(1, outputs[0]!.shape[1] ?? 1);

/** The rows of `chosen`, as predictions of their own. */
export function subset({ labels, outputs, classes, ...rest }: Predicted, chosen: Uint32Array): Predicted {
  const width = outputs.length / labels.length;
  const some = new Float32Array(chosen.length * width);
  for (let i = 0; i < chosen.length; i++) {
    for (let k = 0; k < width; k++) some[i * width + k] = outputs[chosen[i]! * width + k]!;
  }
  return { ...rest, classes, labels: Float64Array.from(chosen, (row) => labels[row]!), outputs: some };
}
