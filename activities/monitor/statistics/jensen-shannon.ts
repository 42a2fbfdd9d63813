/** Jensen-Shannon distance: the root of the divergence. */
import { sharesOf } from './bins.ts';
import type { Bin } from './bins.ts';

/**
 * √(½ KL(r ‖ m) + ½ KL(c ‖ m)), m the mean of both; from 0 to √(ln 2) = 0.8326 with natural logarithms, to 1 with base 2.
 *
 * @param base natural as in Evidently and SciPy, if absent; NannyML takes 2, and TFDV the square of that
 * @see SciPy, `spatial.distance.jensenshannon`
 */
export function jensenShannon(bins: readonly Bin[], base = Math.E): number {
  const nats = sharesOf(bins).reduce((sum, { reference: r, current: c, alike }) => {
    const m = (r + c) / 2;
    return sum + alike * (part(r, m) + part(c, m));
  }, 0);
  return Math.sqrt(Math.max(0, nats) / 2 / Math.log(base));
}

const part = (p: number, m: number): number => (p === 0 ? 0 : p * Math.log(p / m));
