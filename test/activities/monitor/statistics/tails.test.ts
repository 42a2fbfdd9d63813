/** Tails of distributions, beside SciPy's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unseenValues } from '../../../../activities/monitor/statistics/unseen-values.ts';
import {
  chiSquaredSurvival,
  twoSidedNormal,
  upperGamma,
} from '../../../../activities/monitor/statistics/gamma.ts';
import { kolmogorovSurvival } from '../../../../activities/monitor/statistics/kolmogorov.ts';
import { kolmogorovSmirnov } from '../../../../activities/monitor/statistics/ks.ts';
import reference from './reference.json' with { type: 'json' };

/** Of tails below 1e-300 only that they are as good as nothing. */
function near(actual: number, expected: number, what: string, relative = 1e-9) {
  const off = Math.abs(actual - expected);
  assert.ok(off <= relative * expected + 1e-300, `${what}: ${actual} is not ${expected}`);
}

test('χ² survival', () => {
  for (const [x, dof, p] of reference.chiSquaredSurvival as [number, number, number][])
    near(chiSquaredSurvival(x, dof), p, `χ² ${x}, ${dof} degrees of freedom`);
  assert.equal(chiSquaredSurvival(Infinity, 3), 0);
});

test('the normal tail, by published values', () => {
  assert.equal(twoSidedNormal(0), 1);
  near(twoSidedNormal(1.959963984540054), 0.05, 'z 1.96');
  near(twoSidedNormal(-10), 1.523970604832105e-23, 'z -10');
  assert.equal(twoSidedNormal(Infinity), 0);
});

test('the incomplete gamma function of a whole number is a sum of exponentials', () => {
  for (const x of [0.1, 3, 4, 5, 30])
    near(upperGamma(3, x), Math.exp(-x) * (1 + x + (x * x) / 2), `x ${x}`, 1e-13);
});

test('Kolmogorov’s distribution, from 1 row to 5 million', () => {
  for (const [n, d, p] of reference.kolmogorovSurvival as [number, number, number][])
    near(kolmogorovSurvival(n, d), p, `n ${n}, d ${d}`);
});

test('p of two samples: exact for few rows, by the limit for many', () => {
  for (const [n, m, d, p] of reference.kolmogorovSmirnov as [number, number, number, number][])
    near(kolmogorovSmirnov(d, n, m).pValue, p, `n ${n}, m ${m}, d ${d}`);
});

test('the bound of unseen rows has a number also where values are frequent', () => {
  const known = [1_000, 1_000, 1_000].map((reference) => ({ reference, current: 125 }));
  const { statistic, pValue } = unseenValues([...known, { reference: 0, current: 125 }]);
  assert.equal(statistic, 125);
  assert.ok(pValue >= 0 && pValue < 1e-50, `p is ${pValue}`);
});
