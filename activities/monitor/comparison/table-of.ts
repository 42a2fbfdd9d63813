/** Rows of a query as a table to be scanned again and again, column by column. */
import type { DuckDb } from '../../../infra/duckdb.ts';
import { quoteIdentifier } from '../../../infra/sql.ts';
import type { Table, TableColumn } from './table.ts';

/** @param from what follows FROM. @param more columns beside them */
export async function tableOf(
  db: DuckDb,
  name: string,
  from: string,
  columns: readonly TableColumn[],
  more: readonly string[] = [],
): Promise<Table> {
  const list = [...columns.map((column) => valueSql(column)), ...more];
  await db.run(`CREATE TABLE ${name} AS SELECT ${list.join(', ') || '1 AS nothing'} FROM ${from}`);
  const [counted] = await db.rows<{ n: number }>(`SELECT count(*) AS n FROM ${name}`);
  return {
    ...{ path: name, rows: counted!.n, columns: [...columns], skipped: [] },
    from: `(SELECT *, rowid AS file_row_number FROM ${name})`,
  };
}

/** As the prediction log has them: a missing text is empty, a missing number NaN or null. */
function valueSql({ name, kind }: TableColumn): string {
  const column = quoteIdentifier(name);
  const value = kind === 'number' ? `CAST(${column} AS DOUBLE)` : `nullif(CAST(${column} AS VARCHAR), '')`;
  return `${value} AS ${column}`;
}
