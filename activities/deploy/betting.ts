/**
 * Evidence by betting that one of two versions loses more than the other, from paired differences of their losses.
 *
 * A gambler who starts with 1 bets on each difference that it is positive. If on average none is, whatever came
 * before, the capital never grows in expectation, so that it ever passes 1/α has a probability of at most α (Ville's
 * inequality): one may look at any time, as often and as long as one likes. The capital is spread over fixed stakes,
 * so it does not depend on the order of the rows, and labels may come in any order.
 *
 * @see Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86 (2024), section 4
 *   and appendix B (diversified betting)
 */

/** Differences are counted in units of this, rounded down, which favours the hypothesis that nothing is wrong. */
export const unit = 1e-5;

/** How many rows have a difference of at least `floor` units, and less than one more. */
export interface Differences {
  floor: number;
  n: number;
}

/**
 * A stake is the part of the capital that a difference of -1 would cost. The best one is about the mean of the
 * differences over their mean square; a factor of two beside it grows at 3/4 of the best rate.
 */
const stakes = [0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 0.9];
/** More than this is as good as certain, and still a number in JSON. */
const capitalAtMost = 1e12;

/** @param counts differences in [-1, 1]. @returns the capital: 1 is no evidence, 20 is what α = 0.05 asks for */
export function capital(counts: readonly Differences[]): number {
  const logs = stakes.map((stake) =>
    counts.reduce((sum, { floor, n }) => sum + n * Math.log1p(stake * Math.max(-1, floor * unit)), 0),
  );
  const highest = Math.max(...logs);
  const mean = logs.reduce((sum, log) => sum + Math.exp(log - highest), 0) / stakes.length;
  return Math.min(capitalAtMost, Math.exp(highest) * mean);
}
