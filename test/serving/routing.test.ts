import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goesToChallenger } from '../../serving/routing.ts';

const keys = Array.from({ length: 20_000 }, (_, i) => `user-${i}`);

test('the share of keys that go to the challenger is the share asked for', () => {
  for (const share of [0, 0.05, 0.5, 1]) {
    const went = keys.filter((key) => goesToChallenger('flights', key, share)).length / keys.length;
    assert(Math.abs(went - share) < 0.01, `${went} of ${share}`);
  }
});

test('raising the share moves nobody out, and a key always goes the same way', () => {
  const at5 = keys.filter((key) => goesToChallenger('flights', key, 0.05));
  assert(at5.every((key) => goesToChallenger('flights', key, 0.1)));
  assert.deepEqual(
    at5,
    keys.filter((key) => goesToChallenger('flights', key, 0.05)),
  );
});

test('two models pick different people', () => {
  const both = keys.filter((key) => goesToChallenger('a', key, 0.1) && goesToChallenger('b', key, 0.1));
  assert(both.length / keys.length < 0.02);
});
