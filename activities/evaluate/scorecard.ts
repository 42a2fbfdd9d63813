/** From labels and predictions to the scorecard. */
import type { Scorecard } from '../../contracts/evaluation.ts';
import type { PreparedManifest } from '../../contracts/prepared.ts';
import { differences, intervals, replicate } from './bootstrap.ts';
import { calibrationOf, confusionOf, predictionHistogram, rocCurve } from './curves.ts';
import { worseBy } from './direction.ts';
import { judgeOf, outputWidth } from './judge.ts';
import type { Predicted } from './judge.ts';
import { slicesOf } from './slices.ts';
import type { SliceColumn } from './slices.ts';

export interface Compared {
  candidate: Float32Array;
  champion?: { version: number; outputs: Float32Array } | undefined;
  labels: Float64Array;
  slices: readonly SliceColumn[];
  /** What the trainer measured. */
  trained: Record<string, number>;
}

/** The draws are seeded by this alone: the same predictions have the same intervals. */
const bootstrapSeed = 1;

export async function scorecardOf(
  { task, signature }: Pick<PreparedManifest, 'task' | 'signature'>,
  { candidate, champion, labels, slices, trained }: Compared,
  pause: () => Promise<void>,
): Promise<Scorecard> {
  const classes = outputWidth(signature);
  const predicted: Predicted = { task, labels, outputs: candidate, classes };
  const judges = [judgeOf(predicted)];
  if (champion) judges.push(judgeOf({ ...predicted, outputs: champion.outputs }));
  const [values, championValues] = judges.map((judge) => judge.metrics());
  const replicates = await replicate(judges, bootstrapSeed, pause);

  const binary = task === 'binary-classification';
  return {
    task,
    rows: labels.length,
    ...(binary ? { baseRate: labels.reduce((sum, label) => sum + label, 0) / labels.length } : {}),
    metrics: intervals(values!, replicates, 0),
    ...(champion && championValues
      ? {
          champion: {
            version: champion.version,
            metrics: intervals(championValues, replicates, 1),
            difference: differences(values!, championValues, replicates),
          },
        }
      : {}),
    fit: fitOf(trained),
    calibration: calibrationOf(predicted),
    ...(task === 'regression'
      ? {}
      : { confusion: { classes: signature.classes, counts: confusionOf(predicted) } }),
    ...(binary ? { roc: rocCurve(labels, candidate) } : {}),
    slices: slicesOf(predicted, slices),
    predictions: predictionHistogram(predicted),
  };
}

/** The trainer's numbers, and `<metric>_gap`: how much worse on validation rows than on training rows. */
export function fitOf(trained: Record<string, number>): Record<string, number> {
  const gaps = Object.entries(trained).flatMap(([name, value]) => {
    const metric = name.replace(/^validation_/, '');
    const onTrain = trained[`train_${metric}`];
    if (metric === name || onTrain === undefined) return [];
    return [[`${metric}_gap`, worseBy(metric === 'loss' ? 'log_loss' : metric, onTrain, value)]];
  });
  return { ...trained, ...(Object.fromEntries(gaps) as Record<string, number>) };
}

/** A champion that knows other classes, or has them in another order, answers in the candidate's terms. */
export function alignClasses(
  outputs: Float32Array,
  from: readonly string[],
  to: readonly string[],
): Float32Array {
  if (from.length === to.length && from.every((name, i) => name === to[i])) return outputs;
  const rows = outputs.length / from.length;
  const aligned = new Float32Array(rows * to.length);
  for (const [k, name] of to.entries()) {
    const place = from.indexOf(name);
    if (place < 0) continue;
    for (let row = 0; row < rows; row++) aligned[row * to.length + k] = outputs[row * from.length + place]!;
  }
  return aligned;
}
