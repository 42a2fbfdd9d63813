/**
 * Where rows are safe before they are answered: append-only files, of blocks for a version's predictions (`block.ts`), of
 * JSON lines for a model's labels.
 *
 * What `append` has resolved for is in the kernel's hands, so it survives a `kill -9` of this process; what
 * a killed process left is found at the next start. The first line of a file tells how to read the others.
 */
import { randomInt } from 'node:crypto';
import { writeSync } from 'node:fs';
import { mkdir, open, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { TensorSpec } from '../contracts/serving.ts';
import { ByteWriter } from './block.ts';
import { failpoint } from '../infra/failpoint.ts';
import { self } from '../infra/local.ts';

/** What a journal holds. */
export type Stream =
  | {
      kind: 'predictions';
      model: string;
      version: number;
      /** Absent in files of 0.3.0 and before. */
      digest?: string;
      inputs: readonly TensorSpec[];
      outputs: readonly TensorSpec[];
    }
  | { kind: 'labels'; model: string };

/** First line of a file. `seq` is unique among all files of a replica, over restarts, and over hosts that bear one name. */
export type JournalHeader = Stream & { seq: string };

/**
 * A file is closed and shipped at whichever comes first: a monitor should see rows within seconds, and shipping must fit
 * in memory.
 */
const rotateMs = 5_000;
const hurryMs = 1_000;
const rotateRows = 10_000;
const rotateBytes = 32_000_000;

const started = `${Date.now()}-${randomInt(1e9)}`;
let files = 0;

/**
 * In this turn of the event loop: the kernel takes a group of rows in microseconds, while the thread pool would cost ten
 * times that and a turn, for every answer. @returns how many bytes were written, all
 */
function writeWhole(fd: number, bytes: Buffer): number {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
  return bytes.length;
}

interface OpenFile {
  handle: FileHandle;
  path: string;
  rows: number;
  bytes: number;
  openedAt: number;
  /** Whether it goes before its time. */
  hurried: boolean;
  timer: NodeJS.Timeout;
}

export class Journal {
  readonly #folder: string;
  readonly #stream: Stream;
  readonly #ship: (path: string, bytes: number) => void;
  /** Writes and closes, one after the other. */
  #last: Promise<void> = Promise.resolve();
  /** Of the group that is being gathered. */
  readonly #bytes = new ByteWriter();
  #group: { rows: number; written: Promise<void> } | undefined;
  #file: OpenFile | undefined;
  #unshipped = 0;

  /** @param ship is told the path of each file that is complete, and its size */
  constructor(folder: string, stream: Stream, ship: (path: string, bytes: number) => void) {
    this.#folder = folder;
    this.#stream = stream;
    this.#ship = ship;
  }

  /** Files begun and not handed over yet: the one in use, and one that is being closed. */
  get unshipped(): number {
    return this.#unshipped;
  }

  /** Of the file in use. */
  get bytes(): number {
    return this.#file?.bytes ?? 0;
  }

  /**
   * Resolves when the rows are written. Appends that come while a write is under way share the next one.
   * @param write whole blocks, at once
   */
  append(write: (to: ByteWriter) => void, rows: number): Promise<void> {
    this.#group ??= { rows: 0, written: this.#next(() => this.#writeGroup()) };
    write(this.#bytes);
    this.#group.rows += rows;
    return this.#group.written;
  }

  /** Closes the file in use, after all that was appended, and hands it over. */
  rotate(): Promise<void> {
    return this.#next(() => this.#close());
  }

  /** A failed step is its own caller's affair. */
  #next(step: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(step, step);
    return this.#last;
  }

  async #writeGroup(): Promise<void> {
    try {
      this.#file ??= await this.#open();
      await failpoint('serving:append');
    } catch (error) {
      this.#takeGroup(); // refused, all of it
      await this.#close();
      throw error;
    }
    const file = this.#file;
    const { rows, bytes } = this.#takeGroup();
    try {
      file.bytes += writeWhole(file.handle.fd, bytes);
      await failpoint('serving:appended');
      file.rows += rows;
    } catch (error) {
      await this.#close(); // perhaps cut in a block: nothing may follow it
      throw error;
    }
    this.#rotateSoon(file);
  }

  /** With what came while the file was opened. */
  #takeGroup(): { rows: number; bytes: Buffer } {
    const { rows } = this.#group!;
    this.#group = undefined;
    return { rows, bytes: this.#bytes.take() };
  }

  /** A file that is full goes at once, one of many rows after a second, any other after some. */
  #rotateSoon(file: OpenFile): void {
    const full = file.bytes >= rotateBytes;
    if (!full && (file.rows < rotateRows || file.hurried)) return;
    file.hurried = true;
    clearTimeout(file.timer);
    const ms = full ? 0 : Math.max(0, hurryMs - (performance.now() - file.openedAt));
    file.timer = setTimeout(() => void this.#next(() => this.#close(file.path)), ms).unref();
  }

  async #open(): Promise<OpenFile> {
    await mkdir(this.#folder, { recursive: true });
    const seq = `${started}-${String(++files).padStart(6, '0')}`;
    // With its process, so that nobody takes it from one that lives.
    const ending = this.#stream.kind === 'predictions' ? 'rows' : 'jsonl';
    const path = join(this.#folder, `journal-${seq}${self}.${ending}`);
    const handle = await open(path, 'ax');
    try {
      await failpoint('serving:opened');
      await handle.appendFile(`${JSON.stringify({ ...this.#stream, seq } satisfies JournalHeader)}\n`);
    } catch (error) {
      await handle.close();
      await unlink(path); // without its first line nobody could read it
      throw error;
    }
    this.#unshipped++;
    // Only this file: by then another may be in use. A disk on which closing fails ends the process.
    const timer = setTimeout(() => void this.#next(() => this.#close(path)), rotateMs).unref();
    return { handle, path, rows: 0, bytes: 0, openedAt: performance.now(), hurried: false, timer };
  }

  async #close(only?: string): Promise<void> {
    const file = this.#file;
    if (!file || (only && only !== file.path)) return;
    this.#file = undefined;
    clearTimeout(file.timer);
    try {
      await file.handle.close();
      await failpoint('serving:rotated');
    } finally {
      this.#ship(file.path, file.bytes); // in any case: what was answered for has been written
      this.#unshipped--;
    }
  }
}
