/** Distances of shares without logarithms: no bin needs a filling. */
import { sharesOf } from './bins.ts';
import type { Bin } from './bins.ts';

/** max |r − c|, from 0 to 1: the one category that moved most. @see TFDV and NannyML 0.13, `l_infinity` */
export function lInfinity(bins: readonly Bin[]): number {
  return sharesOf(bins).reduce(
    (most, { reference, current }) => Math.max(most, Math.abs(reference - current)),
    0,
  );
}

/** ½ Σ |r − c|, from 0 to 1: the share of rows that would have to move. @see Evidently 0.7, `TVD` */
export function totalVariation(bins: readonly Bin[]): number {
  return (
    sharesOf(bins).reduce(
      (sum, { reference, current, alike }) => sum + alike * Math.abs(reference - current),
      0,
    ) / 2
  );
}
