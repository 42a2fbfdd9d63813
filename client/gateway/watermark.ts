/** How far a database has come: one value of a query of one row, read-only. */
import { openDuckDb, quoteLiteral } from '../../infra/duckdb.ts';

/**
 * @param database a file that DuckDB can attach
 * @returns null where there is nothing yet
 * @throws Error in words when the query gives more than one value
 */
export async function watermarkOf(database: string, query: string, spillDir: string): Promise<string | null> {
  const db = await openDuckDb({ memory: '256MB', threads: 1, spillDir });
  try {
    await db.run(`ATTACH ${quoteLiteral(database)} AS watched (READ_ONLY)`);
    await db.run('USE watched');
    const rows = await db.rows(query);
    const values = rows.flatMap((row) => Object.values(row));
    if (values.length > 1)
      throw new Error(`the watermark of ${database} must be one value; there are ${values.length}`);
    const [value] = values;
    return value === null || value === undefined ? null : String(value);
  } finally {
    await db.close();
  }
}
