/** Kullback-Leibler divergence. */
import { filledShares } from './bins.ts';
import type { Bin } from './bins.ts';

/**
 * Σ r ln(r / c) in nats, of the reference from the current rows, after empty bins are filled (see `filledShares`) and
 * both sides sum to 1 again. 0 is no change; not symmetric.
 *
 * @see Evidently 0.7, `kl_div`; SciPy, `entropy(reference, current)`
 */
export function klDivergence(bins: readonly Bin[]): number {
  const shares = filledShares(bins);
  const [all, now] = [
    shares.reduce((sum, { reference, alike }) => sum + alike * reference, 0),
    shares.reduce((sum, { current, alike }) => sum + alike * current, 0),
  ];
  return shares.reduce((sum, { reference, current, alike }) => {
    const [r, c] = [reference / all, current / now];
    return sum + alike * r * Math.log(r / c);
  }, 0);
}
