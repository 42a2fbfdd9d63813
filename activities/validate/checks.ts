/**
 * Declared checks as SQL: how many rows break each, and which.
 *
 * Every check is one aggregate, so all of them are counted in one scan. As in Great Expectations,
 * null values are skipped by every rule but `not-null`; of duplicated rows, all copies count.
 */
import type { DatasetManifest } from '../../contracts/dataset.ts';
import { permanent } from '../../contracts/failures.ts';
import type { BrokenCheck } from '../../contracts/lifecycle.ts';
import type { Check } from '../../contracts/project.ts';
import { durationMs } from '../../contracts/artifact.ts';
import { quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';

/** What a check needs to know of the rows that it is about. */
export type CheckedData = Pick<DatasetManifest, 'columns' | 'rows' | 'time' | 'window'>;

/** @returns an aggregate over `dataset`: rows that break the check, or what a whole-dataset check measures. */
export function countingOf(check: Check, manifest: CheckedData): { sql: string } {
  switch (check.check) {
    case 'row-count':
      return { sql: 'count(*)' };
    case 'freshness':
      return { sql: `epoch_ms(max(${column(manifest.time, manifest)}))` };
    case 'unique': {
      const list = columnsOf(check.columns)
        .map((name) => column(name, manifest))
        .join(', ');
      return {
        sql: `(SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM dataset GROUP BY ${list} HAVING n > 1))`,
      };
    }
    default:
      return { sql: `count(*) FILTER (WHERE ${breaks(check, manifest)})` };
  }
}

/** @returns a condition that holds for rows to show as examples, if the check is about rows. */
export function examplesOf(check: Check, manifest: CheckedData): string | undefined {
  if (check.check === 'row-count' || check.check === 'freshness') return undefined;
  if (check.check !== 'unique') return breaks(check, manifest);
  const list = columnsOf(check.columns)
    .map((name) => column(name, manifest))
    .join(', ');
  return `(${list}) IN (SELECT (${list}) FROM dataset GROUP BY ${list} HAVING count(*) > 1)`;
}

/** @param counted what `countingOf` gave. @returns the breach, or undefined when the check is met. */
export function judge(check: Check, counted: number, manifest: CheckedData): BrokenCheck | undefined {
  const of = manifest.rows;
  const about = { check: nameOf(check), severity: check.severity, of, examples: [] };
  if (check.check === 'row-count') {
    const { min = 0, max = Infinity } = check;
    if (of >= min && of <= max) return undefined;
    return { ...about, count: of, detail: `${of} rows; wanted ${min} to ${max}` };
  }
  if (check.check === 'freshness') {
    const ageMs = Date.parse(manifest.window.until) - counted;
    if (ageMs <= durationMs(check.within)) return undefined;
    const last = new Date(counted).toISOString();
    return {
      ...about,
      count: of,
      detail: `newest row is of ${last}, older than ${check.within} before the window's end`,
    };
  }
  if (counted <= check.tolerate * of) return undefined;
  const share = ((100 * counted) / of).toPrecision(3);
  return {
    ...about,
    count: counted,
    detail: `${counted} of ${of} rows (${share} %) break it; tolerated ${check.tolerate}`,
  };
}

export function nameOf(check: Check): string {
  if (check.check === 'sql') return check.name;
  if (check.check === 'unique') return `unique(${columnsOf(check.columns).join(', ')})`;
  return 'column' in check ? `${check.check}(${check.column})` : check.check;
}

type RowCheck = Exclude<Check, { check: 'row-count' | 'freshness' | 'unique' }>;

function breaks(check: RowCheck, manifest: CheckedData): string {
  if (check.check === 'sql') return `NOT coalesce((${check.holds}), true)`;
  const name = column(check.column, manifest);
  switch (check.check) {
    case 'not-null':
      return `${name} IS NULL`;
    case 'range': {
      const bounds = [
        ...(check.min === undefined ? [] : [`${name} < ${check.min}`]),
        ...(check.max === undefined ? [] : [`${name} > ${check.max}`]),
        `isnan(CAST(${name} AS DOUBLE))`,
      ];
      return `${name} IS NOT NULL AND (${bounds.join(' OR ')})`;
    }
    case 'allowed': {
      const values = check.values.map((value) =>
        typeof value === 'string' ? quoteLiteral(value) : String(value),
      );
      return `${name} IS NOT NULL AND ${name} NOT IN (${values.join(', ')})`;
    }
    case 'regex':
      return `${name} IS NOT NULL AND NOT regexp_full_match(${name}, ${quoteLiteral(check.pattern)})`;
  }
}

function columnsOf(columns: string | string[]): string[] {
  return typeof columns === 'string' ? [columns] : columns;
}

function column(name: string, manifest: CheckedData): string {
  const names = manifest.columns.map((one) => one.name);
  if (names.includes(name)) return quoteIdentifier(name);
  const message = `a check names the column ${name}; the data has ${names.join(', ')}`;
  throw permanent('MissingColumn', message, { column: name, columns: names });
}
