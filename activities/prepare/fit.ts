/**
 * Fits the transform on the training rows of the table `ordered`, by aggregates alone.
 *
 * One thread: a sum of doubles depends on the order of its terms, and the same data must give the same
 * bytes.
 */
import type { DuckDb } from '../../infra/duckdb.ts';
import type { Fitted, FittedCategory, FittedNumeric } from './fitted.ts';
import type { CategoryPlan, FeaturePlan, NumericPlan } from './plan.ts';
import { categorySql, double, numberSql, unscaledSql } from './transform-sql.ts';

type Rows = Pick<DuckDb, 'rows'>;

/** @param train SQL of the relation to fit on, such as `(SELECT * FROM ordered WHERE …)` */
export async function fit(db: Rows, plans: readonly FeaturePlan[], train: string): Promise<Fitted> {
  const fitted: Fitted = { numeric: [], categorical: [] };
  const fills = await fitFills(
    db,
    plans.filter((plan) => plan.kind === 'numeric'),
    train,
  );
  fitted.numeric.push(...(await fitScales(db, fills, train)));
  for (const plan of plans) {
    if (plan.kind === 'category') fitted.categorical.push(await fitCategory(db, plan, train));
  }
  return fitted;
}

type Filled = { plan: NumericPlan; fill: number };

/** A column without a single value is filled with 0: its feature is constant, and harmless. */
async function fitFills(db: Rows, plans: readonly NumericPlan[], train: string): Promise<Filled[]> {
  const values = await aggregates(db, plans.map(fillSql), train);
  return plans.map((plan, i) => ({ plan, fill: values[i] ?? 0 }));
}

function fillSql(plan: NumericPlan): string {
  const value = numberSql(plan);
  if (typeof plan.impute === 'number') return double(plan.impute);
  if (plan.impute === 'mean') return `avg(${value})`;
  // Of equally frequent values the least, so that the answer is one.
  if (plan.impute === 'most-frequent') {
    return `(list_sort(list_transform(map_entries(histogram(${value})), e -> {c: -e.value, v: e.key}))[1]).v`;
  }
  return `quantile_cont(${value}, 0.5)`;
}

async function fitScales(db: Rows, filled: readonly Filled[], train: string): Promise<FittedNumeric[]> {
  const centers = await aggregates(db, filled.map(centerSql), train);
  const spreads = await aggregates(
    db,
    filled.map((each, i) => spreadSql(each, centers[i] ?? 0)),
    train,
  );
  return filled.map(({ plan, fill }, i) => ({
    plan,
    fill,
    center: centers[i] ?? 0,
    spread: spreads[i] || 1, // a constant column has none
  }));
}

function centerSql({ plan, fill }: Filled): string {
  const value = unscaledSql(plan, fill);
  if (plan.scale === 'none') return double(0);
  return plan.scale === 'standard' ? `avg(${value})` : `quantile_cont(${value}, 0.5)`;
}

/** In two passes, for the textbook's one-pass variance loses digits; DuckDB's own fails on overflow. */
function spreadSql({ plan, fill }: Filled, center: number): string {
  const value = unscaledSql(plan, fill);
  if (plan.scale === 'none') return double(1);
  if (plan.scale === 'standard') return `sqrt(avg((${value} - ${double(center)}) ** 2))`;
  return `quantile_cont(${value}, 0.75) - quantile_cont(${value}, 0.25)`;
}

/** @returns one number an expression; null and what is not finite become undefined. */
async function aggregates(db: Rows, expressions: readonly string[], train: string) {
  if (expressions.length === 0) return [];
  const list = expressions.map((sql, i) => `CAST(${sql} AS DOUBLE) AS a${i}`).join(', ');
  const [row] = await db.rows<Record<string, number | null>>(`SELECT ${list} FROM ${train}`);
  return expressions.map((_, i) => {
    const value = row?.[`a${i}`];
    return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
  });
}

async function fitCategory(db: Rows, plan: CategoryPlan, train: string): Promise<FittedCategory> {
  const text = categorySql(plan);
  const found = await db.rows<{ value: string }>(
    `SELECT ${text} AS value FROM ${train} WHERE ${text} IS NOT NULL
     GROUP BY 1 HAVING count(*) >= ${plan.minCount} ORDER BY count(*) DESC, 1`,
  );
  const values = found.map(({ value }) => value);
  return { plan, values, missing: plan.missingIsMostFrequent && values.length > 0 ? 1 : 0 };
}
