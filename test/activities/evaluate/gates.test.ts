import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeGates } from '../../../activities/evaluate/gates.ts';

test('a bound that is met exactly is met', () => {
  const gates = { roc_auc: { min: 0.7 }, log_loss: { max: 0.5 } };
  const results = judgeGates(gates, { roc_auc: 0.7, log_loss: 0.5 }, undefined);
  assert.deepEqual(
    results.map(({ passed }) => passed),
    [true, true],
  );
});

test('what is missing, null or not a number meets no gate', () => {
  for (const value of [undefined, null, NaN, Infinity]) {
    const gate = { min: 0, max: Infinity, notWorseThanChampionBy: 1 };
    const results = judgeGates({ roc_auc: gate }, { roc_auc: value }, undefined);
    assert.equal(results.length, 3);
    assert.ok(
      results.every((result) => !result.passed && result.value === null),
      String(value),
    );
  }
});

test('worse than the champion means lower for an AUC, and higher for a loss', () => {
  const gates = { roc_auc: { notWorseThanChampionBy: 0.01 }, log_loss: { notWorseThanChampionBy: 0.01 } };
  const champion = { roc_auc: 0.85, log_loss: 0.4 };
  const verdicts = (candidate: Record<string, number>) =>
    judgeGates(gates, candidate, champion).map(({ passed }) => passed);
  assert.deepEqual(verdicts({ roc_auc: 0.84, log_loss: 0.41 }), [true, true]);
  assert.deepEqual(verdicts({ roc_auc: 0.83, log_loss: 0.42 }), [false, false]);
  assert.deepEqual(verdicts({ roc_auc: 0.95, log_loss: 0.1 }), [true, true]);
});

test('with no champion nothing is worse than it; with one that has no such metric, nothing is known', () => {
  const gates = { roc_auc: { notWorseThanChampionBy: 0 } };
  assert.equal(judgeGates(gates, { roc_auc: 0.5 }, undefined)[0]!.passed, true);
  assert.equal(judgeGates(gates, { roc_auc: 0.5 }, {})[0]!.passed, false);
});

test('a gate without a bound is an oversight, and holds the model back', () => {
  assert.equal(judgeGates({ roc_auc: {} }, { roc_auc: 1 }, undefined)[0]!.passed, false);
});
