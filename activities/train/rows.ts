/** Prepared rows, read part by part into matrices that the graphs take as they are. */
import { openDuckDb, quoteLiteral } from '../../infra/duckdb.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import type { FeatureLayout } from '../../contracts/trainer.ts';

/** Column by column, as Parquet has them. */
export interface RowSet {
  rows: number;
  numeric: Float32Array[];
  categorical: Int32Array[];
  label: Float32Array;
  weight: Float32Array;
}

export interface RowReader {
  /** Rows of each path, from the files' own footers. */
  counts(paths: readonly string[]): Promise<number[]>;
  read(path: string): Promise<RowSet>;
  close(): Promise<void>;
}

/** Parts stay in memory while they fit, for an epoch reads each of them again. */
const cacheBytes = 256 * 2 ** 20;

export async function openRows(layout: FeatureLayout, spillDir: string): Promise<RowReader> {
  const db = await openDuckDb({ memory: '512MB', threads: 1, spillDir });
  const cached = new Map<string, RowSet>();
  let held = 0;
  return {
    counts: (paths) => countRows(db, paths),
    async read(path) {
      const found = cached.get(path);
      if (found) return found;
      const rows = await readPart(db, layout, path);
      const bytes = rows.rows * 4 * (layout.numeric.length + layout.categorical.length + 2);
      if (held + bytes <= cacheBytes) {
        held += bytes;
        cached.set(path, rows);
      }
      return rows;
    },
    close: () => db.close(),
  };
}

async function countRows(db: DuckDb, paths: readonly string[]): Promise<number[]> {
  const counts: number[] = [];
  for (const path of paths) {
    const [row] = await db.rows<{ count: number | bigint }>(
      `SELECT num_rows AS count FROM parquet_file_metadata(${quoteLiteral(path)})`,
    );
    counts.push(Number(row!.count));
  }
  return counts;
}

async function readPart(db: DuckDb, layout: FeatureLayout, path: string): Promise<RowSet> {
  const [rows] = await countRows(db, [path]);
  const set: RowSet = {
    rows: rows!,
    numeric: layout.numeric.map(() => new Float32Array(rows!)),
    categorical: layout.categorical.map(() => new Int32Array(rows!)),
    label: new Float32Array(rows!),
    weight: new Float32Array(rows!),
  };
  let at = 0;
  for await (const { rows: count, columns } of db.stream(
    `SELECT * FROM read_parquet(${quoteLiteral(path)})`,
  )) {
    set.numeric.forEach((column, i) => column.set(columns[`n${i}`] as Float32Array, at));
    set.categorical.forEach((column, i) => column.set(columns[`c${i}`] as Int32Array, at));
    set.label.set(columns['label'] as Float32Array, at);
    set.weight.set(columns['weight'] as Float32Array, at);
    at += count;
  }
  return set;
}
