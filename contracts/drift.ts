/** What a comparison of two tables says, and the summary of one that later rows can be compared with. */
import { z } from 'zod';

const Count = z.number().nonnegative();

/** Where bins lie: `bins` of equal width from low to high, and beyond them bins that grow with the distance. */
const Layout = z.object({ low: z.number(), high: z.number(), bins: z.int().positive() });

const common = { name: z.string(), rows: Count, nulls: Count };

/** Few different numbers are kept one by one (`values`), many as counts of bins (`layout`, `bins`). */
const NumberColumn = z.object({
  ...common,
  kind: z.enum(['number', 'integer']),
  infinite: Count,
  /** Of finite rows; null when there are none. */
  min: z.number().nullable(),
  max: z.number().nullable(),
  layout: Layout.nullable(),
  /** A number of a bin, or the value itself, rising. */
  at: z.array(z.number()),
  counts: z.array(Count),
});

const CategoryColumn = z.object({
  ...common,
  kind: z.literal('category'),
  /** The most frequent ones, and rows and number of the others. */
  values: z.array(z.string()),
  counts: z.array(Count),
  others: z.object({ rows: Count, values: Count }),
});

export const SummaryColumn = z.discriminatedUnion('kind', [NumberColumn, CategoryColumn]);

/** `esteira profile FILE --summary …`: O(columns), and adding counts merges two of them. */
export const Summary = z.object({
  summary: z.literal('esteira/1'),
  source: z.string(),
  rows: Count,
  columns: z.array(SummaryColumn),
  /** Columns that have no statistic. */
  skipped: z.array(z.object({ name: z.string(), type: z.string() })),
});
export type Summary = z.infer<typeof Summary>;
export type NumberColumn = z.infer<typeof NumberColumn>;
export type CategoryColumn = z.infer<typeof CategoryColumn>;
export type SummaryColumn = z.infer<typeof SummaryColumn>;

export interface TestResult {
  statistic: number;
  pValue: number;
}

/** A share of rows on each side. */
export interface Shares {
  reference: number;
  current: number;
}

/** Null where a side has no value of the column, absent where the statistic is not for that kind of column. */
export interface Statistics {
  psi: number | null;
  klDivergence: number | null;
  jensenShannon: number | null;
  hellinger: number | null;
  wasserstein?: number | null;
  wassersteinNormed?: number | null;
  ks?: TestResult | null;
  chi2?: TestResult | null;
  /** The same with rare values taken together, so that its p holds for few rows of many values. */
  chi2Pooled?: TestResult | null;
  /** Of categories: current rows of values that the reference lacks, and a bound of the p of so many. */
  unseen?: TestResult | null;
  /** Of the current rows, the reference taken for the truth. */
  chi2Fit?: TestResult | null;
  z?: TestResult | null;
  tvd?: number | null;
  lInfinity?: number | null;
}

/** What is no shift of values, and drift nevertheless. */
export interface Components {
  nullShare: Shares;
  /** Of numbers. */
  infiniteShare?: Shares;
  /** Of the current side's finite rows: outside of what the reference has. */
  outOfRangeShare?: number;
  /** Of the current side's values: those that the reference lacks, and the most frequent of them. */
  newCategoryShare?: number;
  newCategories?: string[];
}

export interface Compared extends Statistics, Components {
  name: string;
  kind: 'number' | 'category';
  /** Rows that have a value, finite if it is a number. */
  used: Shares;
}

/** What may be given a threshold: of tests it is their p, which alarms below it; all else alarms at it and above. */
export const thresholdStatistics = {
  ...{ psi: 'from', klDivergence: 'from', jensenShannon: 'from', hellinger: 'from', wasserstein: 'from' },
  ...{ wassersteinNormed: 'from', tvd: 'from', lInfinity: 'from' },
  ...{ nullShare: 'from', infiniteShare: 'from', outOfRangeShare: 'from', newCategoryShare: 'from' },
  ...{ ks: 'below', chi2: 'below', chi2Fit: 'below', z: 'below' },
} as const;

/** `psi=0.2`, or `price:psi=0.2` for one column. */
export const Threshold = z.strictObject({
  column: z.string().optional(),
  statistic: z.enum(Object.keys(thresholdStatistics) as [keyof typeof thresholdStatistics]),
  limit: z.number().nonnegative(),
});
export type Threshold = z.infer<typeof Threshold>;

export interface Decision {
  drifted: boolean;
  /** The rule that fired, or null. */
  rule: string | null;
  /** One sentence. */
  why: string;
  /** Of all questions about the column, adjusted for all columns; null where a threshold decided, or nothing could. */
  pValue: number | null;
}

/** Whether a classifier tells rows of both sides apart. `columns`: what it goes by, shares of all that its splits gain. */
export interface DomainResult {
  rocAuc: number;
  /** Of an area as large where nothing sets them apart. */
  pValue: number;
  drifted: boolean;
  columns: { name: string; share: number }[];
}

export interface DriftReport {
  mode: 'exact' | 'fast';
  reference: { path: string; rows: number };
  current: { path: string; rows: number };
  /** Any column, or the rows as a whole. */
  drifted: boolean;
  columns: (Compared & Decision)[];
  /** Where it was asked for. */
  domain?: DomainResult;
  /** Columns that have no statistic. */
  skipped: { name: string; why: string }[];
}

export interface ProfileReport {
  path: string;
  rows: number;
  /** Whether different values and quantiles are estimates: of more than a million rows. */
  estimated: boolean;
  columns: ProfiledColumn[];
  skipped: { name: string; why: string }[];
}

export interface ProfiledColumn {
  name: string;
  kind: 'number' | 'integer' | 'category';
  nulls: number;
  /** Different values; some 2 % off where estimated. */
  distinct: number;
  infinite?: number;
  /** Null when no row has a finite value. */
  min?: number | null;
  max?: number | null;
  mean?: number | null;
  /** Of the population. */
  std?: number | null;
  /** 0.05, 0.25, 0.5, 0.75, 0.95. */
  quantiles?: Record<string, number> | null;
  top?: { value: string; rows: number }[];
}

export interface StreamReport {
  path: string;
  column: string;
  detector: 'adwin' | 'page-hinkley' | 'ddm';
  /** Values that the detector saw. */
  rows: number;
  /** Rows without a value, which it did not. */
  nulls: number;
  /** Positions in the file, from 0, where drift was detected (and, of ddm, where a warning began). */
  detections: number[];
  warnings: number[];
}

/** What `workers/drift.ts` does for the command line. */
export interface DriftProgram {
  /** Either side may be a table's file or the summary of one. */
  drift(asked: {
    reference: string;
    current: string;
    columns?: string[];
    fast: boolean;
    /** Also as a whole; not from summaries. */
    domain?: boolean;
    /** The default rule's, if absent. */
    alpha?: number;
    thresholds?: Threshold[];
  }): Promise<DriftReport>;
  detect(asked: { path: string; column: string; detector: StreamReport['detector'] }): Promise<StreamReport>;
  profile(asked: { path: string; columns?: string[] }): Promise<ProfileReport>;
  /** @param asked.like a summary's file: the same bins. @param asked.merge alike, and its rows are added */
  summarise(asked: { path: string; columns?: string[]; like?: string; merge?: string }): Promise<Summary>;
}
