/** What was learned from the training rows: all that the SQL and the ONNX form of the transform share. */
import type { FeatureLayout } from '../../contracts/trainer.ts';
import type { CategoryPlan, NumericPlan } from './plan.ts';

export interface FittedNumeric {
  plan: NumericPlan;
  /** Stands for null, NaN and the infinities. */
  fill: number;
  /** The scaled value is (x - center) / spread. */
  center: number;
  spread: number;
}

export interface FittedCategory {
  plan: CategoryPlan;
  /** Most frequent first, ties by value; index i + 1 is that of `values[i]`, and 0 is the unknown bucket. */
  values: string[];
  /** The index of a missing value. */
  missing: 0 | 1;
}

export interface Fitted {
  numeric: FittedNumeric[];
  categorical: FittedCategory[];
}

/** `ln(1 + x)` is taken of at least this: nearer to -1 it says more about rounding than about x. */
export const leastLogged = -0.999_999;

/** The last step keeps to what a FLOAT can hold; DuckDB refuses the cast otherwise. */
export const largestFloat = 3.4e38;

/** A cyclic feature is two numbers, named after its halves. */
export function numericNames({ plan }: FittedNumeric): string[] {
  return plan.cyclic ? [`${plan.name}_sin`, `${plan.name}_cos`] : [plan.name];
}

export function layoutOf(fitted: Fitted, classes: string[]): FeatureLayout {
  return {
    numeric: fitted.numeric.flatMap(numericNames),
    categorical: fitted.categorical.map(({ plan, values }) => {
      const cardinality = values.length + 1;
      const dimensions = plan.dimensions ?? Math.ceil(cardinality ** 0.25) * 2;
      return {
        name: plan.name,
        cardinality,
        encode: plan.encode,
        dimensions: plan.encode === 'one-hot' ? cardinality : dimensions,
      };
    }),
    classes,
  };
}

/** For the model card: what a person would want to check, without whole vocabularies. */
export function describeFitted(fitted: Fitted): Record<string, Record<string, unknown>> {
  const numeric = fitted.numeric.map(({ plan, fill, center, spread }) => {
    const { clip, log, scale, cyclic, part } = plan;
    return [plan.name, { from: plan.from, part, impute: fill, clip, log, scale, center, spread, cyclic }];
  });
  const categorical = fitted.categorical.map(({ plan, values }) => {
    const { encode, part } = plan;
    return [
      plan.name,
      { from: plan.from, part, encode, categories: values.length, top: values.slice(0, 20) },
    ];
  });
  const described: [string, Record<string, unknown>][] = [...numeric, ...categorical].map((entry) => {
    const [name, details] = entry as [string, Record<string, unknown>];
    return [name, Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined))];
  });
  return Object.fromEntries(described);
}
