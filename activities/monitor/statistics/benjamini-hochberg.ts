/**
 * p-values of many questions at once, adjusted so that of those below α at most a share α is expected to be false, and,
 * where nothing is true, any falls below α in a share α of the cases: what each is multiplied by shrinks with its rank.
 *
 * @param pValues in any order; each in [0, 1]
 * @returns in the same order, never smaller
 * @see Benjamini and Hochberg, "Controlling the false discovery rate" (1995); statsmodels `multipletests(method='fdr_bh')`
 */
export function benjaminiHochberg(pValues: readonly number[]): number[] {
  const order = pValues.map((_, i) => i).toSorted((a, b) => pValues[b]! - pValues[a]!);
  const adjusted: number[] = [];
  let least = 1;
  for (const [i, at] of order.entries()) {
    least = Math.min(least, (pValues[at]! * pValues.length) / (pValues.length - i));
    adjusted[at] = least;
  }
  return adjusted;
}
