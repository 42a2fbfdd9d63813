/** Two summaries compared: no row is read. */
import type {
  CategoryColumn,
  Compared,
  NumberColumn,
  Summary,
  SummaryColumn,
} from '../../../contracts/drift.ts';
import type { Bin } from '../statistics/bins.ts';
import { rowsOf } from '../statistics/bins.ts';
import { countsOfBins, rebinned } from './histogram.ts';
import { categoryStatistics, countsOfValues, numberStatistics } from './statistics.ts';
import type { Both } from './table.ts';
import { sharesOf, TableFault } from './table.ts';
import { weigh } from './values.ts';

export function compareSummaries(sides: Both<Summary>, name: string): Compared {
  const find = (summary: Summary): SummaryColumn => summary.columns.find((column) => column.name === name)!;
  const [reference, current] = [find(sides.reference), find(sides.current)];
  if (reference.kind === 'category' && current.kind === 'category')
    return compareCategories({ reference, current });
  if (reference.kind !== 'category' && current.kind !== 'category')
    return compareNumbers({ reference, current });
  throw new TableFault(`column ${name} is of numbers on one side and of text on the other`);
}

function compareCategories(sides: Both<CategoryColumn>): Compared {
  const { reference, current } = sides;
  const counts = new Map(
    reference.values.map((value, i) => [value, { reference: reference.counts[i]!, current: 0 }]),
  );
  const others = { reference: reference.others.rows, current: current.others.rows };
  // Where the reference does not name all it has, a value that it does not name may be one of those.
  const complete = reference.others.values === 0;
  const unseen: { value: string; n: number }[] = [];
  current.values.forEach((value, i) => {
    const n = current.counts[i]!;
    const known = counts.get(value);
    if (known) known.current = n;
    else if (complete) unseen.push({ value, n });
    else others.current += n;
  });
  const bins: Bin[] = [...counts.values(), ...unseen.map(({ n }) => ({ reference: 0, current: n }))];
  if (others.reference + others.current > 0) bins.push(others);
  const used = { reference: rowsOf(bins, 'reference'), current: rowsOf(bins, 'current') };
  const unseenRows = unseen.reduce((sum, { n }) => sum + n, 0) + (complete ? others.current : 0);
  return {
    ...{ name: reference.name, kind: 'category', used },
    nullShare: sharesOf(sides, (side) => sides[side].nulls),
    newCategoryShare: used.current === 0 ? 0 : unseenRows / used.current,
    newCategories: unseen.slice(0, 5).map(({ value }) => value),
    ...categoryStatistics(bins),
  };
}

function compareNumbers(sides: Both<NumberColumn>): Compared {
  const total = ({ counts }: NumberColumn) => counts.reduce((sum, n) => sum + n, 0);
  const used = { reference: total(sides.reference), current: total(sides.current) };
  const both = used.reference > 0 && used.current > 0;
  const found = both ? countsOf(sides) : undefined;
  return {
    ...{ name: sides.reference.name, kind: 'number', used },
    nullShare: sharesOf(sides, (side) => sides[side].nulls),
    infiniteShare: sharesOf(sides, (side) => sides[side].infinite),
    outOfRangeShare: found ? found.outOfRange / used.current : 0,
    ...numberStatistics(found),
  };
}

function countsOf(sides: Both<NumberColumn>) {
  const { reference, current } = sides;
  const whole = reference.kind === 'integer' && current.kind === 'integer';
  const layout = reference.layout ?? current.layout;
  if (layout) {
    refuseOtherLayout(reference, current);
    const binned = { reference: rebinned(reference, layout), current: rebinned(current, layout) };
    return countsOfBins(binned, layout, whole);
  }
  const outside = (value: number) => value < reference.min! || value > reference.max!;
  const outOfRange = current.at.reduce(
    (sum, value, i) => (outside(value) ? sum + current.counts[i]! : sum),
    0,
  );
  return { ...countsOfValues(weigh(reference, current), whole), outOfRange };
}

/** A column that has a table to itself. */
export const alone = (column: SummaryColumn, source: string): Summary => ({
  ...{ summary: 'esteira/1', source, rows: column.rows, columns: [column], skipped: [] },
});

/** The rows of both, as if they had been summarised at once. @throws TableFault when their columns or layouts differ */
export function mergeSummaries(one: Summary, other: Summary): Summary {
  return {
    summary: 'esteira/1',
    source: `${one.source}, ${other.source}`,
    rows: one.rows + other.rows,
    skipped: one.skipped,
    columns: one.columns.map((column) => {
      const same = other.columns.find(({ name }) => name === column.name);
      if (!same)
        throw new TableFault(`${other.source} has no column ${column.name}, which ${one.source} has`);
      if (column.kind === 'category' && same.kind === 'category') return mergeCategories(column, same);
      if (column.kind !== 'category' && same.kind !== 'category') return mergeNumbers(column, same);
      throw new TableFault(
        `column ${column.name} is of numbers in one of ${one.source} and ${other.source} only`,
      );
    }),
  };
}

function mergeCategories(one: CategoryColumn, other: CategoryColumn): CategoryColumn {
  const counts = new Map(one.values.map((value, i) => [value, one.counts[i]!]));
  other.values.forEach((value, i) => counts.set(value, (counts.get(value) ?? 0) + other.counts[i]!));
  const sorted = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  return {
    ...one,
    ...{ rows: one.rows + other.rows, nulls: one.nulls + other.nulls },
    ...{ values: sorted.map(([value]) => value), counts: sorted.map(([, n]) => n) },
    // Which of the others are the same nobody knows any more.
    others: {
      rows: one.others.rows + other.others.rows,
      values: Math.max(one.others.values, other.others.values),
    },
  };
}

function mergeNumbers(one: NumberColumn, other: NumberColumn): NumberColumn {
  const layout = one.layout ?? other.layout;
  refuseOtherLayout(one, other);
  const [a, b] = layout ? [rebinned(one, layout), rebinned(other, layout)] : [one, other];
  const merged = weigh(a, b);
  const ends = (pick: (...values: number[]) => number, what: 'min' | 'max') => {
    const known = [one[what], other[what]].filter((value) => value !== null);
    return known.length > 0 ? pick(...known) : null;
  };
  return {
    ...{ name: one.name, layout, rows: one.rows + other.rows, nulls: one.nulls + other.nulls },
    kind: one.kind === 'integer' && other.kind === 'integer' ? 'integer' : 'number',
    infinite: one.infinite + other.infinite,
    ...{ min: ends(Math.min, 'min'), max: ends(Math.max, 'max') },
    at: merged.map(({ value }) => value),
    counts: merged.map(({ reference, current }) => reference + current),
  };
}

function refuseOtherLayout(one: NumberColumn, other: NumberColumn): void {
  if (!one.layout || !other.layout) return;
  const [a, b] = [one.layout, other.layout];
  if (a.low === b.low && a.high === b.high && a.bins === b.bins) return;
  throw new TableFault(
    `column ${one.name} is in other bins on each side; make one summary like the other, by \`esteira profile --like\``,
  );
}
