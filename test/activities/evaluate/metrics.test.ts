/** Metrics against scikit-learn 1.9.1 on the same 1,000 made rows, and intervals against plain resampling. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { replicate, withInterval, differences } from '../../../activities/evaluate/bootstrap.ts';
import { binaryJudge } from '../../../activities/evaluate/binary.ts';
import { multiclassJudge, topClasses } from '../../../activities/evaluate/multiclass.ts';
import { byFallingScore, rocAuc } from '../../../activities/evaluate/ranking.ts';
import { regressionJudge } from '../../../activities/evaluate/regression.ts';

const rows = 1_000;

/** The C library's old generator, in BigInt as the products leave what doubles hold. */
function uniform(count: number, seed = 12_345): number[] {
  let state = BigInt(seed);
  return Array.from({ length: count }, () => {
    state = (1_103_515_245n * state + 12_345n) % 2_147_483_648n;
    return Number(state) / 2_147_483_648;
  });
}

/** Rounded to three digits, so that many scores tie and some lie on the edges of bins. */
const scores = Float32Array.from(uniform(rows), (u) => Math.round(u * 1_000) / 1_000);
const labels = Float64Array.from(uniform(rows, 99), (u, i) => (u < 0.15 + 0.6 * scores[i]! ? 1 : 0));

function agree(actual: Record<string, number>, expected: Record<string, number>): void {
  assert.deepEqual(Object.keys(actual), Object.keys(expected));
  for (const [name, value] of Object.entries(expected)) {
    const off = Math.abs(actual[name]! - value) / Math.abs(value);
    assert.ok(off < 1e-9, `${name}: ${actual[name]}, scikit-learn ${value}`);
  }
}

test('binary metrics are those of scikit-learn', () => {
  agree(binaryJudge(labels, scores).metrics(), {
    accuracy: 0.631,
    precision: 0.5490981963927856,
    recall: 0.6555023923444976,
    f1: 0.5976008724100327,
    roc_auc: 0.6717020996727997,
    pr_auc: 0.5558582963815766,
    log_loss: 0.7500645341559847,
    brier: 0.24849310327498034,
    ece: 0.1337950005526654,
  });
});

test('a row of weight k counts as k rows', () => {
  const weights = Uint8Array.from(scores, (_, i) => i % 4);
  const repeated = [...weights].flatMap((weight, row) => Array.from({ length: weight }, () => row));
  const whole = binaryJudge(
    Float64Array.from(repeated, (row) => labels[row]!),
    Float32Array.from(repeated, (row) => scores[row]!),
  );
  agree(binaryJudge(labels, scores).metrics(weights), whole.metrics());
});

test('multiclass metrics are those of scikit-learn', () => {
  const raw = uniform(3 * rows).map((u) => u + 0.05);
  const outputs = Float32Array.from(raw, (value, i) => {
    const first = i - (i % 3);
    return value / (raw[first]! + raw[first + 1]! + raw[first + 2]!);
  });
  const [guess, coin] = [uniform(rows, 7), uniform(rows, 8)];
  const top = topClasses(outputs, 3);
  const truth = Float64Array.from(guess, (u, i) => (coin[i]! < 0.5 ? top[i]! : Math.floor(u * 3)));
  agree(multiclassJudge(truth, outputs, 3).metrics(), {
    accuracy: 0.687,
    macro_f1: 0.6857403998810857,
    log_loss: 0.9738738517868306,
  });
});

test('regression metrics are those of scikit-learn', () => {
  const outputs = Float32Array.from(uniform(rows), (u) => u * 100 + 1_000);
  const truth = Float64Array.from(uniform(rows, 5), (u, i) => outputs[i]! + u * 20 - 9);
  agree(regressionJudge(truth, outputs).metrics(), {
    rmse: 5.922396371498289,
    mae: 5.136093448035419,
    r2: 0.9589997761142958,
  });
});

test('scikit-learn’s own example of an AUC, and none for one class', () => {
  assert.equal(rocAuc([0, 0, 1, 1], Float32Array.from([0.1, 0.4, 0.35, 0.8])), 0.75);
  assert.equal(rocAuc([1, 1], Float32Array.from([0.1, 0.4])), undefined);
  const { roc_auc: alone } = binaryJudge(Float64Array.from([1, 1]), Float32Array.from([0.1, 0.4])).metrics();
  assert.ok(Number.isNaN(alone));
});

test('scores sort by falling value, below zero too', () => {
  const values = Float32Array.from(uniform(5_000), (u, i) => (u - 0.5) * 10 ** ((i % 9) - 4));
  const sorted = Array.from(byFallingScore(values), (row) => values[row]!);
  assert.deepEqual(
    sorted,
    [...values].toSorted((a, b) => b - a),
  );
});

test('an interval is that of 2,000 plain resamplings, near enough', async () => {
  const judge = binaryJudge(labels, scores);
  const replicates = await replicate([judge], 1, async () => {});
  const found = withInterval(
    judge.metrics()['roc_auc']!,
    replicates.map(([each]) => each!['roc_auc']!),
  );
  // numpy's generator, seed 0: 0.6397 … 0.7036
  assert.ok(
    Math.abs(found.low! - 0.6397) < 0.006 && Math.abs(found.high! - 0.7036) < 0.006,
    JSON.stringify(found),
  );
});

test('a difference is paired: far narrower than two intervals apart', async () => {
  const nudged = scores.map((score, i) => score + (i % 7) * 1e-3);
  const judges = [binaryJudge(labels, scores), binaryJudge(labels, nudged)];
  const [one, other] = judges.map((judge) => judge.metrics());
  const replicates = await replicate(judges, 1, async () => {});
  const { roc_auc: gap } = differences(one!, other!, replicates);
  assert.ok(gap!.low! <= gap!.value! && gap!.value! <= gap!.high!);
  assert.ok(gap!.high! - gap!.low! < 0.005, JSON.stringify(gap));
});
