/**
 * Brings complete journals into the store as typed Parquet, then deletes them.
 *
 * A file's keys follow from its content, and the store only creates: so a journal that is shipped again, after a
 * crash between storing and deleting, adds nothing. A store that is away is tried again; rows wait on disk.
 */
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DuckDb } from '../infra/duckdb.ts';
import { quoteLiteral } from '../infra/duckdb.ts';
import { unlessCode } from '../infra/errno.ts';
import { failpoint } from '../infra/failpoint.ts';
import { fateOf } from '../infra/local.ts';
import type { Logger } from '../infra/log.ts';
import type { Store } from '../infra/store/store.ts';
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

/** After this, DuckDB and its memory are given back. */
const idleMs = 10_000;

export interface ShipperDeps {
  store: Store;
  log: Logger;
  openDuckDb(): Promise<DuckDb>;
  /** Of this replica's journals. */
  folder: string;
  replica: string;
}

export class Shipper {
  readonly #deps: ShipperDeps;
  /** With the size of each. */
  readonly #waiting = new Map<string, number>();
  #since = 0;
  #db: DuckDb | undefined;
  #idle: NodeJS.Timeout | undefined;
  #working: Promise<void> | undefined;
  readonly #stop = new AbortController();

  constructor(deps: ShipperDeps) {
    this.#deps = deps;
  }

  /** Files that are not in the store yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** On disk, in files that are complete. */
  get bytes(): number {
    let sum = 0;
    for (const bytes of this.#waiting.values()) sum += bytes;
    return sum;
  }

  /** Since when the oldest of them waits, in ms since 1970; undefined when none does. */
  get waitingSince(): number | undefined {
    return this.#waiting.size === 0 ? undefined : this.#since;
  }

  ship = (path: string, bytes: number): void => {
    if (this.#waiting.size === 0) this.#since = Date.now();
    this.#waiting.set(path, bytes);
    this.#working ??= this.#work();
  };

  /** Opened once for files that come soon after each other, and closed when none has come for a while. */
  async #duckDb(): Promise<DuckDb> {
    clearTimeout(this.#idle);
    this.#db ??= await this.#deps.openDuckDb();
    return this.#db;
  }

  async #closeDuckDb(): Promise<void> {
    clearTimeout(this.#idle);
    const db = this.#db;
    this.#db = undefined;
    await db?.close();
  }

  /**
   * What a killed predecessor of the same name left behind. Call it before the first journal is opened.
   *
   * What belongs to a process of this machine that lives is left to it. Of another machine's nobody could say, so a folder
   * is one machine's at a time.
   */
  async recover(): Promise<void> {
    const { folder, replica, log } = this.#deps;
    await mkdir(folder, { recursive: true });
    let twin = false;
    for (const name of (await readdir(folder))
      .filter((one) => /\.(parquet|jsonl|rows)$/.test(one))
      .toSorted()) {
      const path = join(folder, name);
      if ((await fateOf(name)) === 'alive') twin = true;
      else if (name.endsWith('.parquet')) await rm(path);
      else if (name.startsWith('journal-')) this.ship(path, (await stat(path)).size);
    }
    if (twin) {
      log.error(
        `another process of this machine writes journals as replica ${replica}, and they are left to it; ` +
          'start each with a --replica of its own',
      );
    }
  }

  /** One more try for each file; what cannot be shipped stays on disk for the next start. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#working;
    await this.#closeDuckDb();
  }

  async #work(): Promise<void> {
    const { signal } = this.#stop;
    let failures = 0;
    for (;;) {
      const [next] = this.#waiting;
      if (!next) {
        this.#working = undefined; // in the same breath: a file that comes now must not be left lying
        this.#idle = setTimeout(() => void this.#closeDuckDb(), idleMs).unref();
        return;
      }
      const [path, bytes] = next;
      const last = signal.aborted;
      try {
        await this.#shipFile(path);
        this.#waiting.delete(path);
        this.#since = Date.now();
        failures = 0;
      } catch (error) {
        this.#deps.log.error({ err: error, path }, 'a journal could not be shipped; it stays on disk');
        this.#waiting.delete(path);
        if (last) continue;
        this.#waiting.set(path, bytes); // behind the others, so that one bad file holds up none
        failures++;
        await sleep(Math.min(30_000, 500 * 2 ** failures), undefined, { ref: false, signal }).catch(
          unlessCode('ABORT_ERR'),
        );
      }
    }
  }

  async #shipFile(path: string): Promise<void> {
    const header = await headerOf(path);
    await failpoint('serving:shipping');
    if (header) await this.#shipRows(await this.#duckDb(), header, path);
    await failpoint('serving:shipped');
    await unlink(path);
  }

  async #shipRows(db: DuckDb, header: JournalHeader, path: string): Promise<void> {
    if (header.kind === 'predictions' && path.endsWith('.rows')) await readBlocks(db, header, path);
    else await readLines(db, header, path);
    const folder = header.kind === 'predictions' ? '%Y-%m-%d/%H' : '%Y-%m-%d';
    const parts = await db.rows<{ part: string }>(
      `SELECT DISTINCT strftime(time, '${folder}') AS part FROM journal ORDER BY part`,
    );
    for (const { part } of parts) {
      const parquet = `${path}.parquet`;
      const name = `${this.#deps.replica}-${header.seq}${header.kind === 'predictions' ? `-v${header.version}` : ''}`;
      const key = `${header.kind}/${header.model}/${part}/${name}.parquet`;
      try {
        await db.run(
          `COPY (SELECT * FROM journal WHERE strftime(time, '${folder}') = ${quoteLiteral(part)})
            TO ${quoteLiteral(parquet)} (FORMAT parquet, COMPRESSION zstd)`,
        );
        await failpoint('serving:part');
        await this.#deps.store.createFromFile(key, parquet, 'application/vnd.apache.parquet');
        await failpoint('serving:stored');
      } finally {
        await rm(parquet, { force: true });
      }
    }
    await db.run('DROP VIEW journal');
    await db.run('DROP TABLE raw');
  }
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

/** @returns undefined when the file was cut before its first line was whole, and so holds no row */
async function headerOf(path: string): Promise<JournalHeader | undefined> {
  const input = createReadStream(path);
  try {
    for await (const line of createInterface({ input })) {
      try {
        return JSON.parse(line) as JournalHeader;
      } catch (error) {
        if (error instanceof SyntaxError) return undefined;
        throw error;
      }
    }
    return undefined;
  } finally {
    input.destroy();
  }
}
