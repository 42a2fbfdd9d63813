/** Rows as a whole: what goes together no longer is found, and what has not changed is not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeDomains } from '../../../activities/monitor/comparison/domain-classifier.ts';
import { random } from '../../../activities/train/random.ts';

/** Two columns of bins 0 to 9 and a category, on both sides. `apart`: how often the second column goes its own way. */
function rows(seed: number, many: { reference: number; current: number }, apart: (row: number) => number) {
  const next = random(seed);
  const all = many.reference + many.current;
  const [a, b, c] = [new Uint8Array(all), new Uint8Array(all), new Uint8Array(all)];
  for (let row = 0; row < all; row++) {
    a[row] = Math.floor(next() * 10);
    b[row] = next() < apart(row) ? Math.floor(next() * 10) : a[row]!;
    c[row] = Math.floor(next() * 40);
  }
  return [a, b, c].map((bins, i) => ({ bins, many: i === 2 ? 40 : 10, category: i === 2 }));
}

test('two columns that no longer go together are found, and named', () => {
  const many = { reference: 2_000, current: 1_000 };
  const columns = rows(1, many, (row) => (row < many.reference ? 0.2 : 0.9));
  const found = judgeDomains(['a', 'b', 'c'], columns, many, 0.05);
  assert.ok(found.drifted && found.rocAuc > 0.6, JSON.stringify(found));
  assert.deepEqual(
    found.columns
      .slice(0, 2)
      .map(({ name }) => name)
      .toSorted(),
    ['a', 'b'],
  );
});

test('where nothing has changed few of many comparisons say otherwise', () => {
  for (const [times, many] of [
    [100, { reference: 200, current: 100 }],
    [30, { reference: 1_000, current: 300 }],
  ] as const) {
    let alarms = 0;
    for (let seed = 0; seed < times; seed++)
      if (
        judgeDomains(
          ['a', 'b', 'c'],
          rows(seed, many, () => 0.2),
          many,
          0.05,
        ).drifted
      )
        alarms++;
    assert.ok(alarms <= times * 0.1, `${alarms} of ${times} with ${many.current} rows`);
  }
});
