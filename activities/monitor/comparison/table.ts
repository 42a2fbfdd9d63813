/**
 * A file to compare, as columns that SQL can scan again and again. CSV and JSON are read once, into Parquet beside the
 * engine's spill, for every column is scanned by itself.
 */
import { join } from 'node:path';
import type { DuckDb } from '../../../infra/duckdb.ts';
import { quoteIdentifier, quoteLiteral } from '../../../infra/sql.ts';
import { csvOptions, faultyLine, firstLines } from '../../ingest/csv.ts';

/** The two sides of a comparison. */
export interface Both<T> {
  reference: T;
  current: T;
}

export type Kind = 'number' | 'integer' | 'category';

export interface TableColumn {
  name: string;
  kind: Kind;
}

export interface Table {
  /** As it was asked for. */
  path: string;
  rows: number;
  columns: TableColumn[];
  /** Columns of kinds that have no statistic, such as timestamps and lists, with their types. */
  skipped: { name: string; type: string }[];
  /** What follows FROM, with the column `file_row_number` beside those of the file. */
  from: string;
}

const kinds: [RegExp, Kind][] = [
  [/^U?(TINY|SMALL|BIG|HUGE)INT$|^U?INTEGER$/, 'integer'],
  [/^(FLOAT|DOUBLE|DECIMAL.*)$/, 'number'],
  [/^(VARCHAR|BOOLEAN|UUID|ENUM.*)$/, 'category'],
];

const formats: [RegExp, 'csv' | 'parquet' | 'json'][] = [
  [/\.(csv|tsv)(\.gz)?$/i, 'csv'],
  [/\.(parquet|pq)$/i, 'parquet'],
  [/\.(json|jsonl|ndjson)(\.gz)?$/i, 'json'],
];

/**
 * @param path a file, or a pattern such as `day-*.parquet`
 * @param folder for what is written down meanwhile
 * @throws TableFault
 */
export async function openTable(db: DuckDb, path: string, folder: string): Promise<Table> {
  const format = formats.find(([pattern]) => pattern.test(path))?.[1];
  if (!format) throw unreadable(path, 'its name says no format; .parquet, .csv, .tsv, .json and .jsonl do');
  const files = await db.rows(`SELECT file FROM glob(${quoteLiteral(path)}) LIMIT 1`);
  if (files.length === 0) throw unreadable(path, 'there is no such file');
  const parquet = format === 'parquet' ? path : await staged(db, path, format, folder);
  const from = `read_parquet(${quoteLiteral(parquet)}, file_row_number = true)`;
  try {
    const described = await db.rows<{ column_name: string; column_type: string }>(
      `DESCRIBE SELECT * EXCLUDE (file_row_number) FROM ${from}`,
    );
    const [counted] = await db.rows<{ n: number }>(`SELECT count(*) AS n FROM ${from}`);
    const table: Table = { path, rows: counted!.n, columns: [], skipped: [], from };
    for (const { column_name: name, column_type: type } of described) {
      const kind = kinds.find(([pattern]) => pattern.test(type))?.[1];
      if (kind) table.columns.push({ name, kind });
      else table.skipped.push({ name, type });
    }
    return table;
  } catch (error) {
    throw unreadable(path, firstLines(error));
  }
}

async function staged(db: DuckDb, path: string, format: 'csv' | 'json', folder: string): Promise<string> {
  const list = quoteLiteral(path);
  const options = format === 'csv' ? csvOptions({}, path) : '';
  const to = join(folder, `${stagedFiles++}.parquet`);
  try {
    // Types are taken from all of the file: a guess from its first rows may not hold in the last.
    const sample = 'sample_size = -1';
    await db.run(
      `COPY (SELECT * FROM read_${format}(${list}${options}, ${sample})) TO ${quoteLiteral(to)}
        (FORMAT parquet, COMPRESSION snappy)`,
    );
    return to;
  } catch (error) {
    const line = format === 'csv' && (await faultyLine(db, list, options));
    throw unreadable(path, line || firstLines(error));
  }
}

/** Names files that are made in one process apart. */
let stagedFiles = 0;

/** A table cannot be compared as it was asked. Its message says which, where and why, in one sentence. */
export class TableFault extends Error {
  override name = 'TableFault';
}

export const unreadable = (path: string, reason: string): TableFault =>
  new TableFault(`${path} cannot be compared: ${reason}`);

/** A column of numbers as DOUBLE: NaN is missing, and `isfinite` tells the infinite ones apart. */
export const numberSql = (column: string): string => `CAST(${quoteIdentifier(column)} AS DOUBLE)`;

/** A column of categories as text. */
export const textSql = (column: string): string => `CAST(${quoteIdentifier(column)} AS VARCHAR)`;

/** A number as SQL takes it for a DOUBLE, with all its digits: without an exponent it would be a DECIMAL. */
export const doubleSql = (value: number): string => value.toExponential();

/** Of each side's own rows. */
export function sharesOf(
  sides: Both<{ rows: number }>,
  rowsIn: (side: keyof Both<unknown>) => number,
): Both<number> {
  const share = (side: keyof Both<unknown>) => rowsIn(side) / sides[side].rows;
  return { reference: share('reference'), current: share('current') };
}
