/**
 * The transform as SQL expressions over raw columns. `transform-onnx.ts` is its twin: a change here is a
 * change there, and a property test holds the two together.
 *
 * Arithmetic is DOUBLE up to the last step, as in the twin.
 */
import { quoteIdentifier } from '../../infra/duckdb.ts';
import { largestFloat, leastLogged } from './fitted.ts';
import type { Fitted, FittedCategory, FittedNumeric } from './fitted.ts';
import type { CategoryPlan, DatePart, NumericPlan, Origin } from './plan.ts';
import { periods } from './plan.ts';

/** By whole milliseconds, which is all that a served timestamp has. */
const datePart: Record<DatePart, (time: string) => string> = {
  hour: (time) => `hour(${time})`,
  weekday: (time) => `isodow(${time}) - 1`,
  day: (time) => `day(${time})`,
  month: (time) => `month(${time})`,
  minute: (time) => `hour(${time}) * 60 + minute(${time})`,
};

/** DOUBLE, null where missing. A boolean is 0 or 1, and a missing one is false. */
export function numberSql({ from, type, part }: Origin): string {
  const column = quoteIdentifier(from);
  if (part) return `CAST(${datePart[part](`epoch_ms(epoch_ms(${column}))`)} AS DOUBLE)`;
  if (type === 'boolean') return `CASE WHEN ${column} THEN 1.0::DOUBLE ELSE 0.0::DOUBLE END`;
  if (type === 'integer') return `CAST(${column} AS DOUBLE)`;
  return `CASE WHEN isfinite(${column}) THEN CAST(${column} AS DOUBLE) END`;
}

/** VARCHAR, null where missing. Numbers go by their DOUBLE, so that 5 and 5.0 are one category. */
export function categorySql(plan: CategoryPlan): string {
  if (plan.type === 'string') return `nullif(${quoteIdentifier(plan.from)}, '')`;
  return `CAST(${numberSql(plan)} + 0.0 AS VARCHAR)`;
}

/** Imputed, clipped and logged, not yet scaled. */
export function unscaledSql(plan: NumericPlan, fill: number): string {
  let value = `coalesce(${numberSql(plan)}, ${double(fill)})`;
  if (plan.clip) value = `least(greatest(${value}, ${double(plan.clip[0])}), ${double(plan.clip[1])})`;
  if (plan.log) value = `ln(1.0::DOUBLE + greatest(${value}, ${double(leastLogged)}))`;
  return value;
}

/** One expression per numeric output: FLOAT. */
export function numericSql({ plan, fill, center, spread }: FittedNumeric): string[] {
  const value = unscaledSql(plan, fill);
  if (plan.cyclic) {
    const { first, count } = periods[plan.part!];
    const angle = `(${value} - ${double(first)}) * ${double((2 * Math.PI) / count)}`;
    return [`CAST(sin(${angle}) AS FLOAT)`, `CAST(cos(${angle}) AS FLOAT)`];
  }
  const scaled = plan.scale === 'none' ? value : `(${value} - ${double(center)}) / ${double(spread)}`;
  return [`CAST(least(greatest(${scaled}, ${double(-largestFloat)}), ${double(largestFloat)}) AS FLOAT)`];
}

/** @param enumName a type that `createEnumSql` made; its codes are the indices, less one. */
export function indexSql({ plan, values, missing }: FittedCategory, enumName: string): string {
  if (values.length === 0) return 'CAST(0 AS INTEGER)';
  const text = categorySql(plan);
  const index = `coalesce(CAST(enum_code(TRY_CAST(${text} AS ${enumName})) AS INTEGER) + 1, 0)`;
  return missing === 0 ? index : `CASE WHEN ${text} IS NULL THEN ${missing} ELSE ${index} END`;
}

/** The select list of a feature part, without label and weight. */
export function featureColumnsSql(fitted: Fitted): string[] {
  const numeric = fitted.numeric.flatMap(numericSql).map((sql, i) => `${sql} AS n${i}`);
  const categorical = fitted.categorical.map((each, i) => `${indexSql(each, enumOf(i))} AS c${i}`);
  return [...numeric, ...categorical];
}

export const enumOf = (index: number): string => `categories_${index}`;

/** As DuckDB reads a DOUBLE: the shortest text that gives the same bits back. */
export const double = (value: number): string => `CAST('${value}' AS DOUBLE)`;
