/**
 * Whether a column has drifted: the one place where numbers become a verdict.
 *
 * For now the thresholds that users of Evidently know, beside four for what it does not look at. They do not hold one
 * rate of false alarms: distances do not know how few rows they are of.
 */
import type { Compared, Decision } from '../../contracts/drift.ts';

/** Up to so many reference rows a test decides, beyond a distance, for a test finds any change in enough rows. */
const testedAtMost = 1_000;
const significance = 0.05;
const distance = 0.1;
/** By how much the share of rows without a usable value may change, or of values never seen be. */
const strange = 0.05;

export function decide(column: Compared): Decision {
  const { nullShare, infiniteShare, outOfRangeShare = 0, newCategoryShare = 0 } = column;
  const missing = nullShare.current - nullShare.reference;
  if (Math.abs(missing) >= strange)
    return drifted(
      'nullShare',
      `${percent(nullShare.reference)} of rows were missing, now ${percent(nullShare.current)}`,
    );
  if (infiniteShare && Math.abs(infiniteShare.current - infiniteShare.reference) >= strange)
    return drifted(
      'infiniteShare',
      `${percent(infiniteShare.reference)} of rows were infinite, now ${percent(infiniteShare.current)}`,
    );
  if (outOfRangeShare >= strange)
    return drifted(
      'outOfRangeShare',
      `${percent(outOfRangeShare)} of numbers lie outside of the reference's range`,
    );
  if (newCategoryShare >= strange)
    return drifted('newCategoryShare', `${percent(newCategoryShare)} of values are unknown to the reference`);
  return ofValues(column);
}

function ofValues({ kind, used, ks, chi2, wassersteinNormed, jensenShannon }: Compared): Decision {
  if (jensenShannon === null) return { drifted: false, rule: null, why: 'a side has no values to compare' };
  if (used.reference <= testedAtMost) {
    const [name, test] = kind === 'number' ? (['ks', ks!] as const) : (['chi2', chi2!] as const);
    const said = `p of ${name} is ${short(test.pValue)}`;
    return test.pValue < significance
      ? drifted(name, `${said}, below ${significance}`)
      : quiet(`${said}, not below ${significance}`);
  }
  const [name, value] =
    kind === 'number'
      ? (['wassersteinNormed', wassersteinNormed!] as const)
      : (['jensenShannon', jensenShannon] as const);
  return value >= distance
    ? drifted(name, `${name} is ${short(value)}, at least ${distance}`)
    : quiet(`${name} is ${short(value)}, less than ${distance}`);
}

const drifted = (rule: string, why: string): Decision => ({ drifted: true, rule, why });
const quiet = (why: string): Decision => ({ drifted: false, rule: null, why });
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const short = (value: number): string => String(Number(value.toPrecision(3)));
