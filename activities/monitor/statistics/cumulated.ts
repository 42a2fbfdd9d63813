/** Rows below a place in a rising list, found by halving. */
import type { Bin } from './bins.ts';

type Totals = Pick<Bin, 'reference' | 'current'>;

/** By how many of the list come before: one more than there are. */
export function cumulated(list: readonly Totals[]): Totals[] {
  let [reference, current] = [0, 0];
  const totals = [{ reference, current }];
  for (const one of list)
    totals.push({ reference: (reference += one.reference), current: (current += one.current) });
  return totals;
}

/** The index of the first one whose place is at least `edge`, the length if there is none. @param place rising */
export function firstFrom<T>(list: readonly T[], place: (one: T) => number, edge: number): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (place(list[middle]!) < edge) low = middle + 1;
    else high = middle;
  }
  return low;
}
