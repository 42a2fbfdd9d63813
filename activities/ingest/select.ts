/** What ingest makes of the project's SQL: the window's bounds in place, and four column types. */
import type { Window } from '../../contracts/artifact.ts';
import type { ColumnType } from '../../contracts/dataset.ts';
import { permanent } from '../../contracts/failures.ts';

/**
 * Puts the window's bounds where the query says `$from` and `$until`, as TIMESTAMP literals.
 * Instants are validated ISO 8601, so a literal is as safe as a bound parameter, and works in every
 * statement (DESCRIBE and CREATE TABLE AS take none).
 */
export function selectWindow(sql: string, window: Window): string {
  const literal = (instant: string) => `TIMESTAMP '${instant.replace('T', ' ').replace('Z', '')}'`;
  return sql
    .replace(/;\s*$/, '')
    .replaceAll(/\$from\b/g, literal(window.from))
    .replaceAll(/\$until\b/g, literal(window.until));
}

const kinds: [RegExp, ColumnType, string][] = [
  [/^(TINYINT|SMALLINT|INTEGER|BIGINT|UTINYINT|USMALLINT|UINTEGER)$/, 'integer', 'BIGINT'],
  [/^(UBIGINT|HUGEINT|UHUGEINT|FLOAT|DOUBLE|DECIMAL.*)$/, 'number', 'DOUBLE'],
  [/^(VARCHAR|UUID|ENUM.*)$/, 'string', 'VARCHAR'],
  [/^BOOLEAN$/, 'boolean', 'BOOLEAN'],
  [/^(DATE|TIMESTAMP.*)$/, 'timestamp', 'TIMESTAMP'],
];

/** @throws `QueryFailed` for lists, structs and other types that no feature can be made of. */
export function canonicalType(column: string, duckType: string): { type: ColumnType; sql: string } {
  const found = kinds.find(([pattern]) => pattern.test(duckType));
  if (found) return { type: found[1], sql: found[2] };
  const message = `column ${column} has type ${duckType}; cast it to a number, text, boolean or timestamp in the query`;
  throw permanent('QueryFailed', message, { query: column });
}
