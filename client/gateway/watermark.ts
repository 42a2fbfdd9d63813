/** How far a database has come: one value of a query of one row, read-only. */
import { openDuckDb, quoteLiteral } from '../../infra/duckdb.ts';
import { isPostgres } from './settings.ts';

const connectMs = 10_000;
const answerMs = 30_000;

/**
 * @param database `postgresql://…`, or a file that DuckDB can attach
 * @param password of the database's user; files have none
 * @returns null where there is nothing yet
 * @throws Error in words when the query gives more than one value
 */
export async function watermarkOf(
  { database, watermark, password }: { database: string; watermark: string; password?: string | undefined },
  spillDir: string,
): Promise<string | null> {
  const values = isPostgres(database)
    ? await askPostgres(database, watermark, password)
    : await askFile(database, watermark, spillDir);
  if (values.length > 1)
    throw new Error(`the watermark of ${database} must be one value; there are ${values.length}`);
  const [value] = values;
  return value === null || value === undefined ? null : String(value);
}

async function askFile(database: string, query: string, spillDir: string): Promise<unknown[]> {
  const db = await openDuckDb({ memory: '256MB', threads: 1, spillDir });
  try {
    await db.run(`ATTACH ${quoteLiteral(database)} AS watched (READ_ONLY)`);
    await db.run('USE watched');
    return (await db.rows(query)).flatMap((row) => Object.values(row));
  } finally {
    await db.close();
  }
}

/** As text, as PostgreSQL prints it: numbers of any size, and times of any precision, are exact. */
async function askPostgres(database: string, query: string, password?: string): Promise<unknown[]> {
  const url = new URL(database);
  if (password !== undefined) url.password = encodeURIComponent(password); // a URL's says more than one beside it
  const { Client } = await import('pg'); // few gateways poll one
  const client = new Client({
    ...{ connectionString: url.href, application_name: 'esteira gateway' },
    ...{ connectionTimeoutMillis: connectMs, statement_timeout: answerMs, query_timeout: answerMs + 1_000 },
    options: '-c default_transaction_read_only=on',
    types: { getTypeParser: () => (text: unknown) => text },
  });
  client.on('error', () => {}); // a connection that breaks between answers; whoever waits for one hears of it
  try {
    await client.connect();
    const { rows } = await client.query<unknown[]>({ text: query, rowMode: 'array' });
    return rows.flat();
  } finally {
    await client.end();
  }
}
