/**
 * DuckDB, which does all arithmetic over rows. One instance an activity: in memory, spilling to a folder of its
 * own that goes when it is closed. It loads no extension and installs none; times are UTC. One call is one statement:
 * what comes after a semicolon is refused with the rest.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api';
import type { AppendedColumn, Column } from './duckdb-values.ts';
import { self } from './local.ts';
import { quoteLiteral } from './sql.ts';

export { quoteIdentifier, quoteLiteral } from './sql.ts';
export type { AppendedColumn, Column } from './duckdb-values.ts';

/** Positional (`$1`) or named (`$name`). A whole number is an INTEGER or BIGINT, others DOUBLE. */
export type Parameters = readonly (DuckDBValue | undefined)[] | Record<string, DuckDBValue>;

export interface DuckDb {
  /** Runs a statement for its effect. @returns the rows it changed */
  run(sql: string, parameters?: Parameters): Promise<number>;
  /**
   * All rows as plain objects, in memory: BIGINT and HUGEINT are numbers while exact and bigints beyond;
   * DECIMAL is a number; TIMESTAMP is ISO 8601 UTC in milliseconds; DATE is `YYYY-MM-DD`.
   */
  rows<T = Record<string, unknown>>(sql: string, parameters?: Parameters): Promise<T[]>;
  /**
   * Rows in order, 2,048 at a time, column-wise, in constant memory. It runs on a connection of its own, so other
   * statements may run meanwhile, and TEMP tables are not seen.
   */
  stream(sql: string, parameters?: Parameters): AsyncIterable<Chunk>;
  /** For numbers that JavaScript has made: hundreds of times as fast as an INSERT. @param table of FLOAT columns alone */
  appendFloats(table: string): Promise<FloatAppender>;
  /** @param table whose columns the values fit, in order. The rows are in it once the promise is kept. */
  appendColumns(table: string, chunks: AsyncIterable<readonly AppendedColumn[]>): Promise<void>;
  /**
   * From here on no SQL reads or writes any file but these and those of the spill folder, loads anything, or changes a
   * setting. To be called before SQL that others wrote.
   */
  lock(files: readonly string[]): Promise<void>;
  /** Makes whatever runs fail soon; for cancelled activities. */
  interrupt(): void;
  close(): Promise<void>;
}

export interface Chunk {
  rows: number;
  columns: Record<string, Column>;
}

export interface FloatAppender {
  /** @param values row-major, at most 2,048 rows; what is not finite becomes null */
  append(values: Float32Array): void;
  /** The rows are in the table from here on. */
  close(): void;
}

export interface DuckDbOptions {
  /** `1GB`: for buffers; the process needs some 300 MB beside it. */
  memory: string;
  threads: number;
  /** Folder for what does not fit in memory. */
  spillDir: string;
}

export async function openDuckDb({ memory, threads, spillDir }: DuckDbOptions): Promise<DuckDb> {
  // Loaded when first asked for: a worker that waits, and a server that predicts, need not carry its 40 MB.
  const [{ DuckDBInstance }, { chunkOf, columnOf, floatChunk, plainValue }] = await Promise.all([
    import('@duckdb/node-api'),
    import('./duckdb-values.ts'),
  ]);
  await mkdir(spillDir, { recursive: true });
  const spill = await mkdtemp(join(spillDir, `duckdb-${self}`));
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: memory,
    threads: String(threads),
    temp_directory: spill,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    preserve_insertion_order: 'true',
  }).catch(async (error: unknown) => {
    await rm(spill, { recursive: true, force: true });
    throw error;
  });
  const connections = new Set<DuckDBConnection>();
  const connect = async () => {
    const connection = await instance.connect();
    connections.add(connection);
    return connection;
  };
  const disconnect = (connection: DuckDBConnection) => {
    if (connections.delete(connection)) connection.closeSync();
  };
  const main = await connect();
  await main.run("SET GLOBAL TimeZone = 'UTC'");

  return {
    async run(sql, parameters) {
      return (await one(main, sql, parameters)).rowsChanged;
    },

    async rows<T>(sql: string, parameters?: Parameters) {
      const result = await one(main, sql, parameters);
      return (await result.convertRowObjects(plainValue)) as T[];
    },

    async *stream(sql, parameters) {
      const connection = await connect();
      try {
        const statement = await connection.prepare(sql);
        statement.bind(bound(parameters) ?? []);
        const result = await statement.stream().finally(() => statement.destroySync());
        const names = result.deduplicatedColumnNames();
        for await (const chunk of result) {
          if (chunk.rowCount === 0) continue;
          const columns = names.map((name, index) => [name, columnOf(chunk, index)]);
          yield { rows: chunk.rowCount, columns: Object.fromEntries(columns) as Chunk['columns'] };
        }
      } finally {
        disconnect(connection);
      }
    },

    async appendFloats(table) {
      const appender = await main.createAppender(table);
      return {
        append: (values) => appender.appendDataChunk(floatChunk(values, appender.columnCount)),
        close: () => appender.closeSync(),
      };
    },

    async appendColumns(table, chunks) {
      const appender = await main.createAppender(table);
      const types = Array.from({ length: appender.columnCount }, (_, at) => appender.columnType(at));
      try {
        for await (const columns of chunks) {
          appender.appendDataChunk(chunkOf(columns, types));
          await nextTurn(); // who shares this thread need not wait for all of it
        }
      } finally {
        appender.closeSync();
      }
    },

    async lock(files) {
      await main.run(`SET allowed_paths = [${files.map(quoteLiteral).join(', ')}]`);
      await main.run(`SET allowed_directories = [${quoteLiteral(spillDir)}]`);
      await main.run('SET enable_external_access = false');
      await main.run('SET lock_configuration = true');
    },

    interrupt() {
      for (const connection of connections) connection.interrupt();
    },

    async close() {
      for (const connection of connections) disconnect(connection);
      instance.closeSync();
      await rm(spill, { recursive: true, force: true });
    },
  };
}

/** Prepared, for that takes one statement only; a plain query would run whatever follows it too. */
async function one(connection: DuckDBConnection, sql: string, parameters: Parameters | undefined) {
  const statement = await connection.prepare(sql);
  try {
    statement.bind(bound(parameters) ?? []);
    return await statement.run();
  } finally {
    statement.destroySync();
  }
}

function bound(parameters: Parameters | undefined): DuckDBValue[] | Record<string, DuckDBValue> | undefined {
  if (parameters === undefined || !Array.isArray(parameters))
    return parameters as Record<string, DuckDBValue>;
  return parameters.map((value: DuckDBValue | undefined) => value ?? null);
}
