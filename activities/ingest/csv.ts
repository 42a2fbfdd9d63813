/** How CSV is read, and what is said of one that cannot be. */
import type { Source } from '../../contracts/project.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteLiteral } from '../../infra/sql.ts';

/**
 * Why a CSV has no one shape: reads it as plain text under its own header, which stops at the first bad line.
 *
 * @returns DuckDB's words, with the line's number, or undefined when every line reads
 */
export async function faultyLine(db: DuckDb, list: string, options: string): Promise<string | undefined> {
  try {
    const header = await db.rows<{ column_name: string }>(
      `DESCRIBE SELECT * FROM read_csv([${list}]${options}, ignore_errors = true, all_varchar = true)`,
    );
    const columns = header.map(({ column_name: name }) => `${quoteLiteral(name)}: 'VARCHAR'`).join(', ');
    await db.rows(
      `SELECT count(*) FROM read_csv([${list}]${options}, auto_detect = false, columns = {${columns}})`,
    );
    return undefined;
  } catch (error) {
    return firstLines(error);
  }
}

/** Without the offending line: it may be somebody's, and Temporal keeps what it is told. Its number must do. */
export function firstLines(error: unknown): string {
  return (error instanceof Error ? error.message : String(error))
    .split('\n')
    .filter((line) => !line.startsWith('Original Line'))
    .slice(0, 3)
    .join(' ')
    .slice(0, 600);
}

/** Said, not sniffed: on a broken file a guess would find some other shape that fits, and hide the fault. */
export function csvOptions(source: Pick<Source, 'delimiter'>, file: string): string {
  const delimiter = quoteLiteral(delimiterOf(source, file));
  return `, header = true, skip = 0, delim = ${delimiter}, quote = '"', escape = '"'`;
}

export const delimiterOf = (source: Pick<Source, 'delimiter'>, file: string): string =>
  source.delimiter ?? (/\.tsv(\.gz)?$/i.test(file) ? '\t' : ',');
