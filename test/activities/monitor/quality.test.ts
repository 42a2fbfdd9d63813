/** Estimates without labels and gaps between groups, beside what scikit-learn, NannyML and Fairlearn say of the same rows. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { calibratorOf } from '../../../activities/evaluate/calibrator.ts';
import { calibrated, isotonic } from '../../../activities/evaluate/isotonic.ts';
import { estimateOf, expectedBinary } from '../../../activities/monitor/estimate.ts';
import { fairnessOf } from '../../../activities/monitor/fairness.ts';
import { random } from '../../../activities/train/random.ts';

interface Reference {
  isotonic: { at: number[]; value: number[] };
  estimates: Record<'roc_auc' | 'f1' | 'precision' | 'recall' | 'accuracy', number>;
  fairness: Record<'demographicParityDifference' | 'equalizedOddsDifference', number>;
}
const reference = JSON.parse(
  await readFile(new URL('./quality-reference.json', import.meta.url), 'utf8'),
) as Reference;

/** As test/support/reference-quality.py makes them. */
function made(count: number, seed: number) {
  const scores = new Float32Array(count);
  const labels = new Float64Array(count);
  const index = new Uint32Array(count);
  let state = seed;
  const draw = () => {
    state = (1_664_525 * state + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
  for (let i = 0; i < count; i++) {
    scores[i] = Math.floor(draw() * 1_000) / 1_000;
    labels[i] = draw() < scores[i]! * scores[i]! ? 1 : 0;
    index[i] = Math.floor(draw() * 3);
  }
  return { scores, labels, index };
}

const near = (found: number, wanted: number, within: number, what: string) =>
  assert.ok(Math.abs(found - wanted) <= within, `${what}: ${found} is not ${wanted}`);

test('the isotonic fit is that of scikit-learn', () => {
  const { scores, labels } = made(600, 7);
  const fit = isotonic(scores, labels);
  for (const [i, at] of reference.isotonic.at.entries())
    near(calibrated(fit, at), reference.isotonic.value[i]!, 1e-9, `at ${at}`);
  near(calibrated(fit, 5), reference.isotonic.value.at(-1)!, 1e-9, 'beyond');
});

test('what is expected of scores is what NannyML expects', () => {
  const { scores, labels } = made(600, 7);
  const expected = expectedBinary(made(300, 8).scores, isotonic(scores, labels));
  for (const name of ['f1', 'precision', 'recall', 'accuracy'] as const)
    near(expected[name]!, reference.estimates[name], 1e-9, name);
  near(expected['roc_auc']!, reference.estimates.roc_auc, 1e-5, 'roc_auc'); // NannyML rounds its counts
});

test('scores that are probabilities are left as they are, those that are not are mended', () => {
  const next = random(1);
  const scores = Float32Array.from({ length: 4_000 }, () => next());
  const honest = Float64Array.from(scores, (score) => (next() < score ? 1 : 0));
  const boastful = Float64Array.from(scores, (score) => (next() < score ** 3 ? 1 : 0));
  assert.equal(calibratorOf(scores, honest), null);
  near(calibrated(calibratorOf(scores, boastful)!, 0.5), 0.125, 0.06, 'one half');
  assert.equal(calibratorOf(scores.subarray(0, 50), boastful.subarray(0, 50)), null);
});

test('an estimate of fewer rows is less certain', () => {
  const metrics = { accuracy: { value: 0.8, low: 0.78, high: 0.82 } };
  const estimator = { calibrators: [null], holdout: { rows: 1_000, metrics } };
  const { accuracy } = estimateOf(
    Float32Array.from({ length: 250 }, () => 0.9),
    estimator,
  )!.metrics;
  near(accuracy!.value, 0.9, 1e-6, 'accuracy');
  near(accuracy!.high - accuracy!.low, 2 * 3 * (0.04 / 3.919928) * 2, 1e-6, 'width');
  assert.equal(estimateOf(new Float32Array(0), estimator), null);
});

test('gaps between groups are those of Fairlearn', () => {
  const { scores, labels, index } = made(600, 7);
  const [found] = fairnessOf(labels, scores, [{ column: 'g', values: ['a', 'b', 'c'], index }], 10);
  const { demographicParityDifference: parity, equalizedOddsDifference: odds } = found!;
  near(parity!.value, reference.fairness.demographicParityDifference, 1e-9, 'parity');
  near(odds!.value, reference.fairness.equalizedOddsDifference, 1e-9, 'odds');
  assert.ok(parity!.low < 0.05, 'groups are drawn alike: the interval is near nothing');
});

test('a small group does not decide, and a rate of no rows is unknown', () => {
  const scores = Float32Array.from({ length: 209 }, (_, i) => (i % 2 ? 0.9 : 0.1));
  const labels = Float64Array.from({ length: 209 }, (_, i) => (i < 100 ? i % 2 : 0));
  const index = Uint32Array.from({ length: 209 }, (_, i) => (i < 100 ? 0 : i < 200 ? 1 : 2));
  const [found] = fairnessOf(labels, scores, [{ column: 'g', values: ['a', 'b', 'c'], index }], 50);
  assert.equal(found!.small, 1);
  assert.deepEqual(
    found!.groups.map(({ value, truePositiveRate }) => [value, truePositiveRate]),
    [
      ['a', 1],
      ['b', null],
    ],
  );
  assert.equal(found!.equalizedOddsDifference!.value, 0.5); // of false positives: of true ones only one group has any
});
