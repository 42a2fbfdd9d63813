/** Statistics over values in order, which are the columns that have few different ones. */

/** A value and how many rows of each side have it. */
export interface Weighed {
  value: number;
  reference: number;
  current: number;
}

export interface Distance {
  /** max |F − G| of the two distribution functions, from 0 to 1. */
  ks: number;
  /** ∫ |F − G|, in units of the column. @see SciPy, `wasserstein_distance` */
  wasserstein: number;
}

/**
 * Both from one walk. Differences are counted in whole rows, and divided once, so that equal sides are exactly 0.
 *
 * @param values ascending, each once; not empty on either side
 */
export function distanceOf(values: readonly Weighed[]): Distance {
  const reference = values.reduce((sum, one) => sum + one.reference, 0);
  const current = values.reduce((sum, one) => sum + one.current, 0);
  let [below, largest, area] = [0, 0, 0];
  values.forEach((one, i) => {
    below += current * one.reference - reference * one.current;
    largest = Math.max(largest, Math.abs(below));
    const next = values[i + 1];
    if (next) area += Math.abs(below) * (next.value - one.value);
  });
  const unit = reference * current;
  return { ks: largest / unit, wasserstein: area / unit };
}
