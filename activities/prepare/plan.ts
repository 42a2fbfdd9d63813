/**
 * What the project's features mean for the columns that are really there: every default decided, every
 * contradiction refused, before a row is read.
 */
import { permanent } from '../../contracts/failures.ts';
import type { Column, ColumnType } from '../../contracts/dataset.ts';
import type { Feature, Project } from '../../contracts/project.ts';

export type DatePart = NonNullable<Feature['part']>;

/** Where a feature's raw value comes from. A `part` is a number taken out of a timestamp. */
export interface Origin {
  name: string;
  from: string;
  type: ColumnType;
  part?: DatePart;
}

/** Steps in order: impute, clip, log, scale, or the two halves of an angle. */
export interface NumericPlan extends Origin {
  kind: 'numeric';
  impute: 'mean' | 'median' | 'most-frequent' | number;
  clip?: readonly [number, number];
  log: boolean;
  scale: 'standard' | 'robust' | 'none';
  cyclic: boolean;
}

/** A missing category is the unknown bucket, or the most frequent one where the project says so. */
export interface CategoryPlan extends Origin {
  kind: 'category';
  encode: 'one-hot' | 'embedding';
  minCount: number;
  dimensions?: number;
  missingIsMostFrequent: boolean;
}

export type FeaturePlan = NumericPlan | CategoryPlan;

/**
 * Numbers are scaled (`standard`) unless told otherwise, since the trainers step by gradient; strings are
 * one-hot unless told otherwise; an angle stays within [-1, 1] as it is.
 *
 * @throws `MissingColumn`, `InvalidInput`
 */
export function planFeatures(project: Project, columns: readonly Column[]): FeaturePlan[] {
  const plans = Object.entries(project.features).map(([name, feature]) => {
    const column = existing(feature.from ?? name, columns);
    if (column.name === project.label) throw refused(name, 'reads the label');
    return planFeature(name, feature, column);
  });
  if (plans.length === 0) throw permanent('InvalidInput', 'no features', { issues: ['features'] });
  return plans;
}

/** @throws `MissingColumn` */
export function existing(name: string, columns: readonly Column[]): Column {
  const column = columns.find((each) => each.name === name);
  if (column) return column;
  const names = columns.map((each) => each.name);
  throw permanent('MissingColumn', `column ${name} is not in the data`, { column: name, columns: names });
}

function planFeature(name: string, feature: Feature, column: Column): FeaturePlan {
  if (column.type === 'timestamp' && !feature.part) throw refused(name, 'is a timestamp and names no part');
  if (column.type !== 'timestamp' && feature.part) throw refused(name, `takes a part of a ${column.type}`);
  const origin: Origin = { name, from: column.name, type: column.type };
  if (feature.part) origin.part = feature.part;
  return feature.encode || column.type === 'string'
    ? planCategory(origin, feature)
    : planNumeric(origin, feature);
}

function planCategory(origin: Origin, feature: Feature): CategoryPlan {
  const numeric = (['cyclic', 'clip', 'log', 'scale'] as const).filter((step) => feature[step] !== undefined);
  if (numeric.length > 0) throw refused(origin.name, `is a category: ${numeric.join(', ')} is for numbers`);
  if (feature.impute !== undefined && feature.impute !== 'most-frequent') {
    throw refused(origin.name, `is a category: impute can only be most-frequent`);
  }
  return {
    ...origin,
    kind: 'category',
    encode: feature.encode ?? 'one-hot',
    minCount: feature.minCount ?? 1,
    ...(feature.dimensions ? { dimensions: feature.dimensions } : {}),
    missingIsMostFrequent: feature.impute === 'most-frequent',
  };
}

function planNumeric(origin: Origin, feature: Feature): NumericPlan {
  if (feature.cyclic && !origin.part) throw refused(origin.name, 'is cyclic but no part of a timestamp');
  if (feature.cyclic && (feature.clip ?? feature.log ?? feature.scale)) {
    throw refused(origin.name, 'is cyclic: an angle is not clipped, logged or scaled');
  }
  return {
    ...origin,
    kind: 'numeric',
    impute: feature.impute ?? 'median',
    ...(feature.clip ? { clip: feature.clip } : {}),
    log: feature.log ?? false,
    scale: feature.cyclic ? 'none' : (feature.scale ?? 'standard'),
    cyclic: feature.cyclic ?? false,
  };
}

function refused(name: string, why: string) {
  return permanent('InvalidInput', `feature ${name} ${why}`, { issues: [`features.${name}`] });
}

/** Smallest value and number of values of each part; a cyclic feature's angle is 2π (x - first) / count. */
export const periods: Record<DatePart, { first: number; count: number }> = {
  hour: { first: 0, count: 24 },
  weekday: { first: 0, count: 7 },
  day: { first: 1, count: 31 },
  month: { first: 1, count: 12 },
  minute: { first: 0, count: 1_440 },
};
