/**
 * Brings complete journals into the store as typed Parquet, then deletes them.
 *
 * A file's keys follow from its content, and the store only creates: so a journal that is shipped again, after a
 * crash between storing and deleting, adds nothing. A store that is away is tried again; rows wait on disk.
 */
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rm, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { unlessCode } from '../infra/errno.ts';
import { failpoint } from '../infra/failpoint.ts';
import { fateOf } from '../infra/local.ts';
import type { Logger } from '../infra/log.ts';
import type { Store } from '../infra/store/store.ts';
import type { Converter } from './converter.ts';
import type { JournalHeader } from './journal.ts';

/** After this, the converter and its memory are given back. */
const idleMs = 10_000;

export interface ShipperDeps {
  store: Store;
  log: Logger;
  /** What makes Parquet of journals. */
  openConverter(): Promise<Converter>;
  /** Of this replica's journals. */
  folder: string;
  replica: string;
}

export class Shipper {
  readonly #deps: ShipperDeps;
  /** With the size of each. */
  readonly #waiting = new Map<string, number>();
  #since = 0;
  #converter: Converter | undefined;
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
  async #opened(): Promise<Converter> {
    clearTimeout(this.#idle);
    this.#converter ??= await this.#deps.openConverter();
    return this.#converter;
  }

  async #closeConverter(): Promise<void> {
    clearTimeout(this.#idle);
    const converter = this.#converter;
    this.#converter = undefined;
    await converter?.close();
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
    await this.#closeConverter();
  }

  async #work(): Promise<void> {
    const { signal } = this.#stop;
    let failures = 0;
    for (;;) {
      const [next] = this.#waiting;
      if (!next) {
        this.#working = undefined; // in the same breath: a file that comes now must not be left lying
        this.#idle = setTimeout(() => void this.#closeConverter(), idleMs).unref();
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
        await this.#closeConverter(); // it may be what is wrong
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
    if (header) await this.#shipRows(header, path);
    await failpoint('serving:shipped');
    await unlink(path);
  }

  async #shipRows(header: JournalHeader, path: string): Promise<void> {
    const { store, replica } = this.#deps;
    const parts = await (await this.#opened()).convert(path, header);
    try {
      for (const part of parts) {
        const version = header.kind === 'predictions' ? `-v${header.version}` : '';
        const key = `${header.kind}/${header.model}/${part.folder}/${replica}-${header.seq}${version}.parquet`;
        await failpoint('serving:part');
        await store.createFromFile(key, part.path, 'application/vnd.apache.parquet');
        await failpoint('serving:stored');
      }
    } finally {
      await Promise.all(parts.map((part) => rm(part.path, { force: true })));
    }
  }
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
