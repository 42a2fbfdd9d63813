/** Writes ranges of the table `ordered` as Parquet parts into the store, one after another. */
import { join } from 'node:path';
import type { Part } from '../../contracts/dataset.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { quoteLiteral } from '../../infra/duckdb.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import type { Store } from '../../infra/store/store.ts';

/** Rows a part: one row group of DuckDB's, so that a part's bytes depend on its rows alone. */
const partRows = 122_880;

export interface PartWriter {
  db: Pick<DuckDb, 'run'>;
  store: Pick<Store, 'putFile'>;
  /** A folder for the file that is being written. */
  folder: string;
  /** After each part. */
  wrote(rows: number): void;
}

/** @param columns the select list @param from row id of the first row @param until of the row after the last */
export async function writeParts(
  { db, store, folder, wrote }: PartWriter,
  columns: string,
  from: number,
  until: number,
  relation = 'ordered',
): Promise<Part[]> {
  const parts: Part[] = [];
  const path = join(folder, 'part.parquet');
  for (let start = from; start < until; start += partRows) {
    const rows = Math.min(partRows, until - start);
    await db.run(
      `COPY (SELECT ${columns} FROM ${relation} WHERE ordered.rowid >= ${start} AND ordered.rowid < ${start + rows}
       ORDER BY ordered.rowid) TO ${quoteLiteral(path)} (FORMAT parquet, ROW_GROUP_SIZE ${partRows})`,
    );
    parts.push({ artifact: await store.putFile(path, 'application/vnd.apache.parquet'), rows });
    await failpoint('prepare:part');
    wrote(rows);
  }
  return parts;
}
