/** How large a column's change is, whatever chance has to do with it. */
import type { Compared } from '../../contracts/drift.ts';
import type { Effects } from '../../contracts/watch.ts';

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
