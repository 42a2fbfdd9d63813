/**
 * Whether columns have drifted: the one place where numbers become a verdict.
 *
 * By default a column drifts when a test says that chance does not explain its change, and the change is large enough to
 * matter. Each test takes both sides for samples; p-values are adjusted for all columns that are looked at. So where
 * nothing has changed at most a share α of comparisons raises any alarm, however few rows or many columns there are; and
 * among a million rows a change that nobody would notice raises none.
 *
 * Whoever knows better sets a threshold of his own for a statistic: then that alone decides of the column.
 */
import type { Compared, Decision, Shares, Threshold } from '../../contracts/drift.ts';
import { benjaminiHochberg } from './statistics/benjamini-hochberg.ts';
import { pooledChiSquared } from './statistics/pooled-chi-squared.ts';
import { thresholdDecision } from './thresholds.ts';

export interface Rule {
  /** The share of comparisons that may raise an alarm although nothing has changed. */
  alpha: number;
  /** Of single columns, or of all (`column` absent); the last that fits a column counts. */
  thresholds: readonly Threshold[];
}

export const defaultRule: Rule = { alpha: 0.05, thresholds: [] };

/** How much is too little to matter. */
export const floors = {
  /** Of numbers: the largest distance of the two distribution functions, or the mean distance in standard deviations. */
  ks: 0.05,
  wassersteinNormed: 0.1,
  /** Of categories: the share of rows that would have to change theirs. */
  tvd: 0.05,
  /** Changes of shares of rows. */
  nullShare: 0.02,
  infiniteShare: 0.01,
  /** Of current rows, under values that the reference lacks. */
  newCategoryShare: 0.02,
} as const;

/** One question about a column. */
interface Asked {
  rule: string;
  pValue: number;
  matters: boolean;
  said: string;
}

/** @param rows of each side. @returns one decision a column, in order */
export function decide(
  columns: readonly Compared[],
  rows: Shares,
  { alpha, thresholds }: Rule = defaultRule,
): Decision[] {
  const own = columns.map((column) =>
    thresholds.findLast(({ column: name = column.name }) => name === column.name),
  );
  const asked = columns.map((column, i) => (own[i] ? [] : questionsOf(column, rows)));
  // Several questions about one column are one question, whether any of them is to be answered with yes.
  const pValues = asked.map((questions) => Math.min(1, questions.length * least(questions)));
  const tested = pValues.flatMap((_, i) => (asked[i]!.length > 0 ? [i] : []));
  const adjusted = new Map<number, number>();
  benjaminiHochberg(tested.map((i) => pValues[i]!)).forEach((p, k) => adjusted.set(tested[k]!, p));
  return columns.map((column, i) => {
    const threshold = own[i];
    if (threshold) return thresholdDecision(column, threshold);
    const p = adjusted.get(i);
    const decision = p === undefined ? undefined : verdict(asked[i]!, p, pValues[i]!, alpha);
    if (decision?.drifted || hasValues(column)) return decision!;
    return quiet(p ?? null, 'a side has no values to compare');
  });
}

const hasValues = ({ used }: Compared): boolean => used.reference > 0 && used.current > 0;
const least = (questions: readonly Asked[]): number => Math.min(1, ...questions.map(({ pValue }) => pValue));

/** The question with the least p that matters; each is held against α as the column's least is. */
function verdict(questions: readonly Asked[], adjusted: number, own: number, alpha: number): Decision {
  const scale = own > 0 ? adjusted / own : 1;
  const answers = questions
    .map((one) => ({ ...one, p: Math.min(1, one.pValue * questions.length * scale) }))
    .toSorted((a, b) => a.p - b.p);
  const found = answers.find(({ p, matters }) => p <= alpha && matters);
  if (found)
    return {
      drifted: true,
      rule: found.rule,
      why: `${found.said}; p is ${short(found.p)}`,
      pValue: adjusted,
    };
  const [first] = answers;
  if (first!.p > alpha) return quiet(adjusted, `chance explains it: p is ${short(adjusted)}`);
  return quiet(adjusted, `too little to matter: ${first!.said}; p is ${short(first!.p)}`);
}

function questionsOf(column: Compared, rows: Shares): Asked[] {
  return [...valueQuestion(column), ...unseenQuestion(column), ...shareQuestions(column, rows)];
}

function valueQuestion({ kind, ks, chi2Pooled, tvd, wassersteinNormed }: Compared): Asked[] {
  if (chi2Pooled) {
    const { pValue } = chi2Pooled;
    const matters = tvd! >= floors.tvd;
    return [
      { rule: 'chi2', pValue, matters, said: `${percent(tvd!)} of rows would have to change their value` },
    ];
  }
  if (kind === 'category' || !ks) return [];
  const { statistic, pValue } = ks;
  const matters = statistic >= floors.ks || wassersteinNormed! >= floors.wassersteinNormed;
  const said = `KS is ${short(statistic)}, the mean distance ${short(wassersteinNormed!)} standard deviations`;
  return [{ rule: 'ks', pValue, matters, said }];
}

function unseenQuestion({ unseen, newCategoryShare = 0 }: Compared): Asked[] {
  if (!unseen || unseen.statistic === 0) return [];
  const matters = newCategoryShare >= floors.newCategoryShare;
  const said = `${percent(newCategoryShare)} of values are unknown to the reference`;
  return [{ rule: 'newCategoryShare', pValue: unseen.pValue, matters, said }];
}

/** Rows without a value, or an infinite one: missingness is drift, too. */
function shareQuestions({ nullShare, infiniteShare }: Compared, rows: Shares): Asked[] {
  return (['nullShare', 'infiniteShare'] as const).flatMap((rule) => {
    const shares = { nullShare, infiniteShare }[rule];
    if (!shares || shares.reference + shares.current === 0) return [];
    const { reference, current } = shares;
    const { pValue } = pooledChiSquared([
      { reference: reference * rows.reference, current: current * rows.current },
      { reference: (1 - reference) * rows.reference, current: (1 - current) * rows.current },
    ]);
    const matters = Math.abs(current - reference) >= floors[rule];
    const what = rule === 'nullShare' ? 'missing' : 'infinite';
    return [
      { rule, pValue, matters, said: `${percent(reference)} of rows were ${what}, now ${percent(current)}` },
    ];
  });
}

const quiet = (pValue: number | null, why: string): Decision => ({ drifted: false, rule: null, why, pValue });
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const short = (value: number): string => String(Number(value.toPrecision(3)));
