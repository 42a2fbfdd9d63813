/**
 * Drift over all columns at once: can a classifier tell rows of one side from rows of the other? It sees what no column by
 * itself shows, such as two that no longer go together.
 *
 * Judged on rows that it has not learned from, five times: an area of 0.5 is chance.
 */
import type { DomainResult } from '../../../contracts/drift.ts';
import type { DuckDb } from '../../../infra/duckdb.ts';
import { permutation, random } from '../../train/random.ts';
import { twoSidedNormal } from '../statistics/gamma.ts';
import { boosted } from './boosted-trees.ts';
import type { Binned } from './boosted-trees.ts';
import { numberSql, textSql } from './table.ts';
import type { Both, Table } from './table.ts';
import type { Matched } from './exact.ts';

/** Of each side, evenly from all of it. */
const rowsAtMost = 10_000;
/** Fewer cannot be told apart, nor be known to be alike. */
export const rowsAtLeast = 50;
const folds = 5;
const numberBins = 32;
const categoriesAtMost = 60;
/** An area below is too little to matter. */
const floor = 0.55;

/** @returns undefined where a side has too few rows. The same tables give the same numbers. */
export async function classifyDomains(
  db: DuckDb,
  tables: Both<Table>,
  matched: readonly Matched[],
  alpha: number,
): Promise<DomainResult | undefined> {
  if (tables.reference.rows < rowsAtLeast || tables.current.rows < rowsAtLeast || matched.length === 0)
    return undefined;
  const [before, now] = [
    await sampled(db, tables.reference, matched),
    await sampled(db, tables.current, matched),
  ];
  const columns = matched.map((_, i) => binned(before[i]!, now[i]!));
  return judgeDomains(
    matched.map(({ name }) => name),
    columns,
    { reference: before[0]!.length, current: now[0]!.length },
    alpha,
  );
}

/** @param columns of the reference's rows, then the current ones */
export function judgeDomains(
  names: readonly string[],
  columns: readonly (Binned & { category: boolean })[],
  rows: Both<number>,
  alpha: number,
): DomainResult {
  const all = rows.reference + rows.current;
  const labels = Uint8Array.from({ length: all }, (_, row) => (row < rows.reference ? 0 : 1));
  const order = permutation(all, random(1));
  const gains = new Float64Array(names.length);
  let [sum, variance] = [0, 0];
  for (let fold = 0; fold < folds; fold++) {
    const test = order.filter((_, i) => i % folds === fold);
    const train = order.filter((_, i) => i % folds !== fold);
    const own = columns.map((column) => (column.category ? ordered(column, labels, train) : column));
    const model = boosted(own, labels, train);
    const scores = Float64Array.from(test, (row) => model.score(row));
    const { area, spread } = areaOf(
      scores,
      Uint8Array.from(test, (row) => labels[row]!),
    );
    sum += area;
    variance += spread;
    model.gains.forEach((gain, i) => (gains[i]! += gain));
  }
  const rocAuc = sum / folds;
  const z = (rocAuc - 0.5) / (Math.sqrt(variance) / folds);
  const pValue = z > 0 ? twoSidedNormal(z) / 2 : 1 - twoSidedNormal(-z) / 2;
  const total = gains.reduce((a, b) => a + b, 0) || 1;
  const ranked = names
    .map((name, i) => ({ name, share: gains[i]! / total }))
    .toSorted((a, b) => b.share - a.share);
  const drifted = pValue <= alpha && rocAuc >= floor;
  return { rocAuc, pValue, drifted, columns: ranked.filter(({ share }) => share > 0).slice(0, 10) };
}

type Values = (string | number | null)[];

async function sampled(db: DuckDb, { from, rows }: Table, matched: readonly Matched[]): Promise<Values[]> {
  const stride = Math.max(1, Math.floor(rows / rowsAtMost));
  const list = matched.map(
    ({ name, kind }, i) => `${kind === 'category' ? textSql(name) : numberSql(name)} AS c${i}`,
  );
  const found = await db.rows<Record<string, string | number | null>>(
    `SELECT ${list.join(', ')} FROM ${from} WHERE file_row_number % ${stride} = 0 LIMIT ${rowsAtMost}`,
  );
  return matched.map((_, i) => found.map((row) => row[`c${i}`] ?? null));
}

/** Both sides by one rule: numbers by quantiles of all, categories by how frequent they are; what is missing is a bin. */
function binned(before: Values, now: Values): Binned & { category: boolean } {
  const values = [...before, ...now];
  const category = values.some((value) => typeof value === 'string');
  const bin = category ? byFrequency(values) : byQuantile(values as (number | null)[]);
  const bins = Uint8Array.from(values, bin);
  return { bins, many: bins.reduce((most, one) => Math.max(most, one), 0) + 1, category };
}

function byFrequency(values: Values): (value: string | number | null) => number {
  const counts = new Map<unknown, number>();
  for (const value of values) if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
  const known = [...counts].toSorted(([a, n], [b, m]) => m - n || (String(a) < String(b) ? -1 : 1));
  const places = new Map(known.slice(0, categoriesAtMost).map(([value], i) => [value, i + 1]));
  return (value) => (value === null ? 0 : (places.get(value) ?? categoriesAtMost + 1));
}

function byQuantile(values: (number | null)[]): (value: string | number | null) => number {
  const sorted = Float64Array.from(
    values.filter((value) => value !== null && !Number.isNaN(value)) as number[],
  ).sort();
  const edges = Array.from(
    { length: numberBins - 1 },
    (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / numberBins)]!,
  );
  const distinct = [...new Set(edges)];
  return (value) => {
    if (value === null || Number.isNaN(value)) return 0;
    let bin = 1;
    for (const edge of distinct) if ((value as number) > edge) bin++;
    return bin;
  };
}

/** Categories have no order of their own: they get that of their share of current rows, among those to learn from. */
function ordered({ bins, many }: Binned, labels: Uint8Array, train: Uint32Array): Binned {
  const [ones, all] = [new Float64Array(many), new Float64Array(many)];
  for (const row of train) {
    ones[bins[row]!]! += labels[row]!;
    all[bins[row]!]! += 1;
  }
  // A prior of one row of each side, so that rare ones are not at the ends.
  const share = (bin: number) => (ones[bin]! + 1) / (all[bin]! + 2);
  const places = new Uint8Array(many);
  Array.from({ length: many }, (_, bin) => bin)
    .toSorted((a, b) => share(a) - share(b))
    .forEach((bin, place) => (places[bin] = place));
  return { bins: bins.map((bin) => places[bin]!), many };
}

/** The area under the curve, and its variance where nothing tells the sides apart, ties included. */
function areaOf(scores: Float64Array, labels: Uint8Array): { area: number; spread: number } {
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]!);
  const ones = labels.reduce((sum, label) => sum + label, 0);
  const zeros = labels.length - ones;
  let [ranks, ties] = [0, 0];
  for (let from = 0; from < order.length;) {
    let until = from;
    let own = 0;
    while (until < order.length && scores[order[until]!] === scores[order[from]!])
      own += labels[order[until++]!]!;
    const many = until - from;
    ranks += own * (from + (many + 1) / 2);
    ties += many ** 3 - many;
    from = until;
  }
  const n = labels.length;
  const area = (ranks - (ones * (ones + 1)) / 2) / (ones * zeros);
  return { area, spread: (n + 1 - ties / (n * (n - 1))) / (12 * ones * zeros) };
}
