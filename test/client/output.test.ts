import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LifecycleOutcome } from '../../contracts/lifecycle.ts';
import { instant, lifecycleId, positiveWhole, reason } from '../../client/commands/session.ts';
import { labelsIn } from '../../client/labels.ts';
import { codeOf, sentence } from '../../client/outcome.ts';
import { counted, seconds, table } from '../../client/output.ts';
import { scorecard } from '../support/world.ts';

test('a table is as wide as its widest cell, and has no trailing spaces', () => {
  assert.equal(
    table(
      ['a', 'name'],
      [
        ['1', 'x'],
        ['234', ''],
      ],
    ),
    'a    name\n───  ────\n1    x\n234',
  );
  assert.equal(table(['a'], []), 'a\n─');
});

test('durations round before they are split, so that no minute has 60 seconds', () => {
  const shown = [0, 59.94, 59.96, 119.6, 3_599.6, 3_600, 86_399, 90_000].map(seconds);
  assert.deepEqual(shown, [
    ...['0.0 s', '59.9 s', '1 min 0 s', '2 min 0 s'],
    ...['1 h 0 min', '1 h 0 min', '1 d 0 h', '1 d 1 h'],
  ]);
});

test('one gate, two gates', () => {
  assert.deepEqual(
    [0, 1, 2].map((count) => counted(count, 'gate')),
    ['0 gates', '1 gate', '2 gates'],
  );
});

test('a moment is a day or has its zone; anything else says what would be right', () => {
  assert.equal(instant('2001-02-01'), '2001-02-01T00:00:00.000Z');
  assert.equal(instant('2001-02-01T06:00:00+02:00'), '2001-02-01T04:00:00.000Z');
  for (const wrong of ['yesterday', '2001-02-31T', '2001-02-01T06:00', '02/01/2001', '2001-13-01', ''])
    assert.throws(() => instant(wrong), /Give ISO 8601, such as 2001-02-01/, wrong);
});

test('a limit is a whole number from 1, a reason says something', () => {
  assert.equal(positiveWhole('20'), 20);
  for (const wrong of ['0', '-1', '1.5', 'abc', ''])
    assert.throws(() => positiveWhole(wrong), /whole number/);
  assert.throws(() => reason('  '), /Say why/);
});

test('a lifecycle may be named as its approval is', () => {
  assert.equal(lifecycleId('flights/3'), 'lifecycle/flights/3');
  assert.equal(lifecycleId('lifecycle/flights/3'), 'lifecycle/flights/3');
});

test('a file of labels is taken whole or not at all', () => {
  assert.deepEqual(labelsIn([{ id: 'a', label: 1 }], 'l.json'), [{ id: 'a', label: 1 }]);
  assert.throws(
    () => labelsIn([{ id: 'a', label: 1 }, { id: 'b' }], 'l.json'),
    /^Error: l\.json: \[1\]\.label: /,
  );
  assert.throws(() => labelsIn({ id: 'a' }, 'l.json'), /l\.json: .*labels are \[\{"id"/);
});

const verdict = {
  requestId: 'm/1',
  status: 'rejected' as const,
  policy: 'people' as const,
  decisions: [{ approved: false, by: 'ana', reason: 'worse in Denver' }],
  subject: {
    model: 'm',
    modelDigest: 'a',
    datasetDigest: 'a',
    scorecardDigest: 'a',
    policyDigest: 'a',
  },
  at: '2001-02-01T00:00:00.000Z',
};
const missed = {
  ...scorecard,
  gates: [
    { metric: 'roc_auc', bound: 'min' as const, limit: 0.95, value: 0.912345, passed: false },
    { metric: 'f1', bound: 'notWorseThanChampionBy' as const, limit: 0.01, value: 0.2, passed: false },
    { metric: 'ece', bound: 'max' as const, limit: 0.1, value: null, passed: false },
    { metric: 'brier', bound: 'max' as const, limit: 0.1, value: 0.05, passed: true },
  ],
};
const broken = { check: 'range price', severity: 'error' as const, count: 1, of: 9, detail: '1 of 9 rows' };
const ends: [LifecycleOutcome, number, RegExp][] = [
  [{ status: 'deployed', version: 2, epoch: 5, scorecard }, 0, /version 2 serves as champion \(epoch 5\)/],
  [
    { status: 'bad-data', broken: [{ ...broken, examples: [{ price: '-1' }] }] },
    3,
    /not good enough\n {2}range price: 1 of 9 rows\n {4}\{"price":"-1"\}$/,
  ],
  [
    { status: 'gate-missed', scorecard: missed },
    3,
    /roc_auc is 0\.9123; the gate wants at least 0\.95\n {2}f1 is worse than the champion's by 0\.2; the gate allows 0\.01\n {2}ece could not be computed; the gate wants at most 0\.1$/,
  ],
  [{ status: 'rejected', verdict }, 4, /rejected by ana: worse in Denver/],
  [
    { status: 'expired', verdict: { ...verdict, status: 'expired', decisions: [] } },
    4,
    /silence is not consent/,
  ],
  [
    {
      status: 'rolled-back',
      version: 2,
      rollout: { status: 'rolled-back', reason: 'errors', steps: [] },
    },
    3,
    /version 2 was rolled back: errors/,
  ],
  [{ status: 'superseded', version: 2, detail: 'by 3' }, 3, /version 2 was superseded: by 3/],
];
for (const [outcome, code, words] of ends) {
  test(`${outcome.status} exits with ${code} and says why`, () => {
    assert.equal(codeOf(outcome.status), code);
    assert.match(sentence('lifecycle/m/1', outcome), words);
  });
}
