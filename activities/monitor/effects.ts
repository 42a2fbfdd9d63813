/** How large a column's change is, whatever chance has to do with it. */
import type { Compared } from '../../contracts/drift.ts';
import type { Effects } from '../../contracts/watch.ts';
import { studentQuantile } from './statistics/quantiles.ts';

/** Those that its kind of column has, and that both sides have rows for. */
export function effectsOf(column: Compared): Effects {
  const { kind, ks, wassersteinNormed, tvd, nullShare, infiniteShare, newCategoryShare } = column;
  const between = (shares: { reference: number; current: number } | undefined) =>
    shares && Math.abs(shares.current - shares.reference);
  const all = {
    ...{ ks: ks?.statistic, wassersteinNormed, tvd, nullShare: between(nullShare) },
    ...{
      infiniteShare: between(infiniteShare),
      newCategoryShare: kind === 'category' ? newCategoryShare : undefined,
    },
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => typeof value === 'number'));
}

/**
 * Of each effect, what one more window goes beyond with a chance of `share` at most, by windows in which nothing was wrong:
 * distances are about as a normal number's size is, so the limit is their root mean square times Student's quantile, which
 * knows how few windows there were.
 *
 * @param windows at least two. @param share of windows, for all effects of the column together
 */
export function usualOf(windows: readonly Compared[], share: number): Effects {
  const effects = windows.map(effectsOf);
  const names = Object.keys(effects[0]!) as (keyof Effects)[];
  const limit = studentQuantile(share / names.length, windows.length);
  return Object.fromEntries(
    names.map((name) => {
      const squares = effects.reduce((sum, effect) => sum + (effect[name] ?? 0) ** 2, 0);
      return [name, limit * Math.sqrt(squares / effects.length)];
    }),
  );
}
