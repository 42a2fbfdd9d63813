/**
 * Who goes where. Each split is one query that gives `__pos` (a row's place in the dataset) and `side`:
 * 0 train, 1 validation, 2 holdout. Ties are broken by key, then place, so the same data splits the same.
 */
import { permanent } from '../../contracts/failures.ts';
import type { Split } from '../../contracts/project.ts';
import { quoteIdentifier } from '../../infra/duckdb.ts';

/** The columns of `labelled` that splits look at: `__pos`, `__class` (text, null for regression) and the raw ones. */
export interface SplitColumns {
  key: string;
  time: string;
}

/** @returns SQL over the view `labelled`. @throws `InvalidInput` */
export function splitSql(split: Split, { key, time }: SplitColumns): string {
  const { validation, holdout } = split;
  if (validation + holdout >= 1 || validation <= 0 || holdout <= 0) {
    const message = `validation ${validation} and holdout ${holdout} leave no rows for one side`;
    throw permanent('InvalidInput', message, { issues: ['split'] });
  }
  const shares = { validation, holdout };
  const [k, t] = [quoteIdentifier(key), quoteIdentifier(time)];
  if (split.by === 'time') {
    const place = `row_number() OVER (ORDER BY ${t} NULLS FIRST, ${k}, __pos) - 1`;
    const side = byRank('place', 'count(*) OVER ()', shares);
    return `SELECT __pos, ${side} AS side FROM (SELECT __pos, ${place} AS place FROM labelled)`;
  }
  if (split.by === 'group') {
    const group = `coalesce(CAST(${quoteIdentifier(split.column)} AS VARCHAR), '')`;
    const place = `CAST(${hashSql(group, split.seed)} AS DOUBLE) / 18446744073709551616.0`;
    return `SELECT __pos, CASE WHEN place < ${1 - validation - holdout} THEN 0 WHEN place < ${1 - holdout} THEN 1 ELSE 2 END
      AS side FROM (SELECT __pos, ${place} AS place FROM labelled)`;
  }
  const order = `${hashSql(`CAST(${k} AS VARCHAR)`, split.seed)}, ${k}, __pos`;
  const place = `row_number() OVER (PARTITION BY __class ORDER BY ${order}) - 1 AS place`;
  const size = 'count(*) OVER (PARTITION BY __class) AS size';
  return `SELECT __pos, ${byRank('place', 'size', shares)} AS side
    FROM (SELECT __pos, ${place}, ${size} FROM labelled)`;
}

/** Of the places 0 … size - 1, the last are the holdout and those before it the validation rows. */
function byRank(place: string, size: string, shares: { validation: number; holdout: number }): string {
  const train = `floor(${size} * ${1 - shares.validation - shares.holdout} + 0.5)`;
  const fitting = `floor(${size} * ${1 - shares.holdout} + 0.5)`;
  return `CASE WHEN ${place} < ${train} THEN 0 WHEN ${place} < ${fitting} THEN 1 ELSE 2 END`;
}

/** A 64-bit hash that no release of DuckDB may change, unlike its own `hash`. */
export function hashSql(text: string, seed: number): string {
  return `md5_number_lower(concat(${text}, ':${seed}'))`;
}
