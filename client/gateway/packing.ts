/** Rows as Parquet on this disk. The engine is opened when it is first needed, and rests between. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDuckDb, quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { ownName, sweepFolder } from '../../infra/local.ts';

export type SqlType = 'DOUBLE' | 'VARCHAR' | 'BOOLEAN' | 'TIMESTAMP';
export interface PackedColumn {
  name: string;
  type: SqlType;
}
export type Value = string | number | boolean | null;

export class Packing {
  readonly #folder: string;
  readonly #spillDir: string;
  #db: DuckDb | undefined;
  /** The engine does one statement at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(folder: string) {
    this.#folder = folder;
    this.#spillDir = join(folder, 'spill');
  }

  /**
   * @param rows one array of values a row, in the order of the columns; timestamps in ISO 8601
   * @param use takes the path of the file, which is gone afterwards
   */
  async pack<T>(
    columns: readonly PackedColumn[],
    rows: readonly (readonly Value[])[],
    use: (path: string) => Promise<T>,
  ): Promise<T> {
    const base = join(this.#folder, ownName());
    try {
      // By position: a name may be anything.
      const lines = rows.map(
        (row) => `${JSON.stringify(Object.fromEntries(row.map((one, i) => [`c${i}`, one])))}\n`,
      );
      await mkdir(this.#folder, { recursive: true });
      await writeFile(`${base}.jsonl`, lines.join(''));
      await this.#alone((db) => db.run(copy(columns, `${base}.jsonl`, `${base}.parquet`)));
      await failpoint('gateway:packed');
      return await use(`${base}.parquet`);
    } finally {
      await Promise.all(['jsonl', 'parquet'].map((end) => rm(`${base}.${end}`, { force: true })));
    }
  }

  /** @param paths of Parquet with the same columns: their rows in this order. @param use as above */
  async merge<T>(paths: readonly string[], use: (path: string) => Promise<T>): Promise<T> {
    const path = join(this.#folder, `${ownName()}.parquet`);
    const from = `read_parquet([${paths.map(quoteLiteral).join(', ')}])`;
    try {
      await mkdir(this.#folder, { recursive: true });
      await this.#alone((db) =>
        db.run(`COPY (SELECT * FROM ${from}) TO ${quoteLiteral(path)} (FORMAT parquet, COMPRESSION zstd)`),
      );
      return await use(path);
    } finally {
      await rm(path, { force: true });
    }
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#db?.close();
  }

  #alone<T>(act: (db: DuckDb) => Promise<T>): Promise<T> {
    const turn = this.#turn.then(async () => {
      this.#db ??= await this.#open();
      return act(this.#db);
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** What killed gateways of this machine have left. */
  async sweep(): Promise<void> {
    await sweepFolder(this.#folder);
    await sweepFolder(this.#spillDir);
  }

  async #open(): Promise<DuckDb> {
    const spillDir = this.#spillDir;
    return openDuckDb({ memory: '256MB', threads: 1, spillDir });
  }
}

function copy(columns: readonly PackedColumn[], from: string, to: string): string {
  const types = columns.map(({ type }, i) => `c${i}: ${quoteLiteral(type)}`).join(', ');
  const names = columns.map(({ name }, i) => `c${i} AS ${quoteIdentifier(name)}`).join(', ');
  return `COPY (SELECT ${names} FROM read_json(${quoteLiteral(from)}, format = 'newline_delimited',
    columns = {${types}})) TO ${quoteLiteral(to)} (FORMAT parquet, COMPRESSION zstd)`;
}
