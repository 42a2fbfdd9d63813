/** Thresholds that users set: one statistic of a column decides, by itself. */
import type { Compared, Decision, Threshold } from '../../contracts/drift.ts';
import { thresholdStatistics } from '../../contracts/drift.ts';

type Name = Threshold['statistic'];

/** p-values alarm below their threshold, all else at it and above. */
export function thresholdDecision(column: Compared, { statistic, limit }: Threshold): Decision {
  const value = valueOf(column, statistic);
  if (value === undefined || value === null)
    return { drifted: false, rule: null, pValue: null, why: `it has no ${statistic}` };
  const small = thresholdStatistics[statistic] === 'below';
  const drifted = small ? value < limit : value >= limit;
  const stands = small ? (drifted ? 'below' : 'not below') : drifted ? 'at least' : 'less than';
  const why = `${statistic} is ${Number(value.toPrecision(3))}, ${stands} ${limit}`;
  return { drifted, rule: drifted ? statistic : null, pValue: null, why };
}

function valueOf(column: Compared, statistic: Name): number | null | undefined {
  if (statistic === 'nullShare' || statistic === 'infiniteShare') {
    const shares = column[statistic];
    return shares && Math.abs(shares.current - shares.reference);
  }
  if (statistic === 'outOfRangeShare' || statistic === 'newCategoryShare') return column[statistic];
  if (statistic === 'ks' || statistic === 'chi2' || statistic === 'chi2Fit' || statistic === 'z')
    return column[statistic]?.pValue;
  return column[statistic];
}
