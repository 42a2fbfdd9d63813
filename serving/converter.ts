/** Typed Parquet of a complete journal, one file for each folder of the store that its rows belong to. */
import { readFile } from 'node:fs/promises';
import { openDuckDb, quoteLiteral } from '../infra/duckdb.ts';
import type { DuckDb, DuckDbOptions } from '../infra/duckdb.ts';
import { columnsOf } from './block-reader.ts';
import {
  blockSelect,
  blockTable,
  labelColumns,
  predictionColumns,
  selectOf,
  structOf,
} from './journal-sql.ts';
import type { Predictions } from './journal-sql.ts';
import type { JournalHeader } from './journal.ts';

export interface Part {
  /** `2001-01-31/22`, of labels `2001-01-31`. */
  folder: string;
  /** Beside the journal, for the caller to take away. */
  path: string;
}

export interface Converter {
  /** Not to be called again before it has resolved. */
  convert(path: string, header: JournalHeader): Promise<Part[]>;
  close(): Promise<void>;
}

/** In this thread, which it keeps busy: some microseconds a row. */
export async function openConverter(options: DuckDbOptions): Promise<Converter> {
  const db = await openDuckDb(options);
  return {
    convert: (path, header) => convert(db, path, header),
    close: () => db.close(),
  };
}

async function convert(db: DuckDb, path: string, header: JournalHeader): Promise<Part[]> {
  if (header.kind === 'predictions' && path.endsWith('.rows')) await readBlocks(db, header, path);
  else await readLines(db, header, path);
  const format = header.kind === 'predictions' ? '%Y-%m-%d/%H' : '%Y-%m-%d';
  const folders = await db.rows<{ folder: string }>(
    `SELECT DISTINCT strftime(time, '${format}') AS folder FROM journal ORDER BY folder`,
  );
  const parts: Part[] = [];
  for (const { folder } of folders) {
    const part = { folder, path: `${path}.${folder.replaceAll('/', '-')}.parquet` };
    const own = folders.length === 1 ? '' : `WHERE strftime(time, '${format}') = ${quoteLiteral(folder)}`;
    await db.run(
      `COPY (SELECT * FROM journal ${own})
        TO ${quoteLiteral(part.path)} (FORMAT parquet, COMPRESSION zstd)`,
    );
    parts.push(part);
  }
  await db.run('DROP VIEW journal');
  await db.run('DROP TABLE raw');
  return parts;
}

/** What a kill cut short was never answered for: it is left out. */
async function readBlocks(db: DuckDb, header: Predictions, path: string): Promise<void> {
  const bytes = await readFile(path);
  const blocks = bytes.subarray(bytes.indexOf(10) + 1);
  await db.run(`CREATE OR REPLACE TABLE raw (${blockTable(header)})`);
  await db.appendColumns('raw', columnsOf(blocks, [...header.inputs, ...header.outputs]));
  await db.run(`CREATE OR REPLACE VIEW journal AS SELECT ${blockSelect(header)} FROM raw`);
}

/** Labels; and predictions that a server of 0.3.0 or before has left on the disk. */
async function readLines(db: DuckDb, header: JournalHeader, path: string): Promise<void> {
  const columns = header.kind === 'predictions' ? predictionColumns(header) : labelColumns;
  await db.run(
    `CREATE OR REPLACE TABLE raw AS SELECT * FROM read_json(${quoteLiteral(path)}, format = 'newline_delimited',
      columns = ${structOf(columns)}, ignore_errors = true) WHERE id IS NOT NULL`,
  );
  await db.run(`CREATE OR REPLACE VIEW journal AS SELECT ${selectOf(header)} FROM raw`);
}
