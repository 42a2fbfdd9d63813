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
import type { Effects } from '../../contracts/watch.ts';
import { effectsOf } from './effects.ts';
import { benjaminiHochberg } from './statistics/benjamini-hochberg.ts';
import { pooledChiSquared } from './statistics/pooled-chi-squared.ts';
import { thresholdDecision } from './thresholds.ts';

export interface Rule {
  /** The share of comparisons that may raise an alarm although nothing has changed. */
  alpha: number;
  /** Of single columns, or of all (`column` absent); the last that fits a column counts. */
  thresholds: readonly Threshold[];
  /** By column: what is usual there, where that is more than `floors`. */
  usual?: Record<string, Effects>;
}

export const defaultRule: Rule = { alpha: 0.05, thresholds: [] };

/** How much is too little to matter. */
export const floors: { [name in keyof Effects]-?: number } = {
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
};

/** One question about a column. */
interface Asked {
  rule: string;
  pValue: number;
  size: Size;
  said: string;
}

/** Of a change: more than is usual there, only as large as windows usually differ, or too small for anybody to notice. */
type Size = 'matters' | 'usual' | 'small';

/** @param rows of each side. @returns one decision a column, in order */
export function decide(
  columns: readonly Compared[],
  rows: Shares,
  { alpha, thresholds, usual = {} }: Rule = defaultRule,
): Decision[] {
  const own = columns.map((column) =>
    thresholds.findLast(({ column: name = column.name }) => name === column.name),
  );
  const asked = columns.map((column, i) => (own[i] ? [] : questionsOf(column, rows, usual[column.name])));
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
  const found = answers.find(({ p, size }) => p <= alpha && size === 'matters');
  if (found)
    return {
      drifted: true,
      rule: found.rule,
      why: `${found.said}; p is ${short(found.p)}`,
      pValue: adjusted,
    };
  const [first] = answers;
  if (first!.p > alpha) return quiet(adjusted, `chance explains it: p is ${short(adjusted)}`);
  const usual = answers.some(({ p, size }) => p <= alpha && size === 'usual');
  const why = usual ? 'no more than its windows usually differ' : 'too little to matter';
  return quiet(adjusted, `${why}: ${first!.said}; p is ${short(first!.p)}`);
}

function questionsOf(column: Compared, rows: Shares, usual: Effects = {}): Asked[] {
  const effects = effectsOf(column);
  const size: SizeOf = (...names) => {
    const large = names.filter((name) => (effects[name] ?? 0) >= floors[name]);
    if (large.length === 0) return 'small';
    return large.some((name) => effects[name]! >= (usual[name] ?? 0)) ? 'matters' : 'usual';
  };
  return [valueQuestion, unseenQuestion, shareQuestions].flatMap((ask) => ask(column, rows, size));
}

/** By the one of these that is largest for its kind. */
type SizeOf = (...names: (keyof Effects)[]) => Size;

function valueQuestion(column: Compared, _: Shares, size: SizeOf): Asked[] {
  const { kind, ks, chi2Pooled, tvd, wassersteinNormed } = column;
  if (chi2Pooled) {
    const said = `${percent(tvd!)} of rows would have to change their value`;
    return [{ rule: 'chi2', pValue: chi2Pooled.pValue, size: size('tvd'), said }];
  }
  if (kind === 'category' || !ks) return [];
  const { statistic, pValue } = ks;
  const said = `KS is ${short(statistic)}, the mean distance ${short(wassersteinNormed!)} standard deviations`;
  return [{ rule: 'ks', pValue, size: size('ks', 'wassersteinNormed'), said }];
}

function unseenQuestion({ unseen, newCategoryShare = 0 }: Compared, _: Shares, size: SizeOf): Asked[] {
  if (!unseen || unseen.statistic === 0) return [];
  const rule = 'newCategoryShare';
  const said = `${percent(newCategoryShare)} of values are unknown to the reference`;
  return [{ rule, pValue: unseen.pValue, size: size(rule), said }];
}

/** Rows without a value, or an infinite one: missingness is drift, too. */
function shareQuestions({ nullShare, infiniteShare }: Compared, rows: Shares, size: SizeOf): Asked[] {
  return (['nullShare', 'infiniteShare'] as const).flatMap((rule) => {
    const shares = { nullShare, infiniteShare }[rule];
    if (!shares || shares.reference + shares.current === 0) return [];
    const { reference, current } = shares;
    const { pValue } = pooledChiSquared([
      { reference: reference * rows.reference, current: current * rows.current },
      { reference: (1 - reference) * rows.reference, current: (1 - current) * rows.current },
    ]);
    const what = rule === 'nullShare' ? 'missing' : 'infinite';
    const said = `${percent(reference)} of rows were ${what}, now ${percent(current)}`;
    return [{ rule, pValue, size: size(rule), said }];
  });
}

const quiet = (pValue: number | null, why: string): Decision => ({ drifted: false, rule: null, why, pValue });
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const short = (value: number): string => String(Number(value.toPrecision(3)));
