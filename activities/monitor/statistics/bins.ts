/**
 * What every statistic over bins takes: how many rows of each side are in a bin. A bin is a stretch of numbers, or one
 * value. Most of these statistics ask for counts alone, never for where a bin lies, so that bins with equal counts may be
 * told together: a column of a million names is a handful of them.
 */
export interface Bin {
  reference: number;
  current: number;
  /** How many bins have these counts; 1, if absent. */
  alike?: number;
}

export type Side = 'reference' | 'current';

/** Rows of a side in all bins. */
export const rowsOf = (bins: readonly Bin[], side: Side): number =>
  bins.reduce((sum, bin) => sum + bin[side] * (bin.alike ?? 1), 0);

/** Each side's shares of its own rows. @throws Error when a side has none: no share of nothing is a number */
export function sharesOf(bins: readonly Bin[]): { reference: number; current: number; alike: number }[] {
  const [all, now] = [rowsOf(bins, 'reference'), rowsOf(bins, 'current')];
  if (all === 0 || now === 0) throw new Error(`the ${all === 0 ? 'reference' : 'current'} side has no rows`);
  return bins.map(({ reference, current, alike = 1 }) => ({
    ...{ reference: reference / all, current: current / now, alike },
  }));
}

/**
 * Shares whose logarithm can be taken: zeros of a side become a millionth of its smallest share that is not zero where
 * that is at most 0.0001, else 0.0001. They sum to a little more than 1 then.
 *
 * @see Evidently 0.7, `get_binned_data(feel_zeroes=True)`
 */
export function filledShares(bins: readonly Bin[]): ReturnType<typeof sharesOf> {
  const shares = sharesOf(bins);
  const fill = { reference: fillOf(shares, 'reference'), current: fillOf(shares, 'current') };
  return shares.map(({ reference, current, alike }) => ({
    ...{ reference: reference || fill.reference, current: current || fill.current, alike },
  }));
}

const few = 0.0001;

function fillOf(shares: ReturnType<typeof sharesOf>, side: Side): number {
  const smallest = shares.reduce(
    (least, share) => (share[side] > 0 ? Math.min(least, share[side]) : least),
    1,
  );
  return smallest <= few ? smallest / 1e6 : few;
}
