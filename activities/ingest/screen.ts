/**
 * What a source file must be before DuckDB opens it: a plain file, in a place that sources may come from, within
 * bounds that keep its parsers from harm. They recurse into nested values and allocate by declared sizes, and what
 * ends them ends the worker.
 */
import { createReadStream } from 'node:fs';
import { lstat, realpath } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import { createGunzip } from 'node:zlib';
import { hasCode } from '../../infra/errno.ts';
import { FooterFault, readFooter } from './parquet-footer.ts';

export const sourceLimits = {
  /** Files that one source may match. */
  files: 10_000,
  columns: 10_000,
  /** A header with room for 10,000 names of a hundred letters. */
  headerBytes: 1_024 * 1024,
  /** Of one text in JSON: DuckDB takes minutes over what is much longer. */
  textBytes: 4 * 1024 * 1024,
  /** Values within values, in JSON and Parquet. */
  depth: 100,
  /** Of a Parquet file; more are several files. */
  rows: 1_000_000_000,
};

/** The file may not be read. Its message says why, in words for whoever wrote the project. */
export class ScreenFault extends Error {
  override name = 'ScreenFault';
}

/**
 * Sources lie below the project's folder, or below the one that the worker was started in: who starts workers says by
 * that what projects may read.
 *
 * @param pattern absolute, may hold wildcards
 * @throws ScreenFault for a place outside, before anything is looked for there
 */
export async function screenPlace(root: string, pattern: string): Promise<void> {
  const fixed = pattern.replace(/[*?[].*$/s, '');
  const folder = fixed.endsWith(sep) ? fixed : dirname(fixed);
  await refuseOutside(root, await nearest(folder));
}

/** @returns the file's real path. @throws ScreenFault */
export async function screenFile(root: string, file: string): Promise<string> {
  const real = await realpath(file);
  await refuseOutside(root, real);
  if (!(await lstat(real)).isFile()) throw new ScreenFault('it is no plain file');
  return real;
}

async function refuseOutside(root: string, path: string): Promise<void> {
  for (const folder of [await nearest(root), await realpath(process.cwd())]) {
    if (path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)) return;
  }
  throw new ScreenFault("it lies outside the project's folder, and outside the one that the worker runs in");
}

/** @returns the real path of the folder, or of the nearest above it that exists */
export async function nearest(folder: string): Promise<string> {
  try {
    return await realpath(folder);
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) throw error;
    return nearest(resolve(folder, '..'));
  }
}

/** @throws ScreenFault for a file that its parser should not meet */
export async function screenContent(
  file: string,
  format: 'csv' | 'parquet' | 'json',
  delimiter: string,
): Promise<void> {
  if (format === 'parquet') return screenParquet(file);
  const bytes = file.endsWith('.gz') ? createReadStream(file).pipe(createGunzip()) : createReadStream(file);
  try {
    await (format === 'csv' ? screenHeader(bytes, delimiter) : screenDepth(bytes));
  } catch (error) {
    if (hasCode(error, 'Z_DATA_ERROR', 'Z_BUF_ERROR')) throw new ScreenFault('it is no gzip data');
    throw error;
  } finally {
    bytes.destroy();
  }
}

async function screenParquet(file: string): Promise<void> {
  const { elements, depth, rows } = await readFooter(file).catch((error: unknown) => {
    throw error instanceof FooterFault ? new ScreenFault(error.message) : error;
  });
  if (elements > sourceLimits.columns) throw tooMany('columns', elements);
  if (depth > sourceLimits.depth) throw tooDeep(depth);
  if (rows > sourceLimits.rows) throw tooMany('rows', rows);
}

/** A name given twice would make a second column nobody asked for, under a name that nobody chose. */
async function screenHeader(bytes: AsyncIterable<Buffer>, delimiter: string): Promise<void> {
  const between = delimiter.charCodeAt(0);
  const read: Buffer[] = [];
  let columns = 1;
  let length = 0;
  for await (const chunk of bytes) {
    const end = chunk.indexOf(10);
    const line = end === -1 ? chunk : chunk.subarray(0, end);
    read.push(line);
    length += line.length;
    // Quoted ones too, which nobody has ten thousand of.
    for (const byte of line) if (byte === between) columns++;
    if (columns > sourceLimits.columns) throw tooMany('columns', columns);
    if (length > sourceLimits.headerBytes) {
      throw new ScreenFault(`its first line has more than ${sourceLimits.headerBytes} bytes`);
    }
    if (end !== -1) break;
  }
  screenNames(Buffer.concat(read).toString('utf8'), delimiter);
}

function screenNames(header: string, delimiter: string): void {
  if (header.includes('\0')) throw new ScreenFault('its header holds a NUL; is it UTF-16? UTF-8 is taken');
  if (header.includes('"')) return; // a delimiter may be within the quotes
  const names = header.trim().toLowerCase().split(delimiter);
  const met = new Set<string>();
  for (const name of names) {
    if (name !== '' && met.has(name)) throw new ScreenFault(`its header names ${name.slice(0, 100)} twice`);
    met.add(name);
  }
}

/** Brackets outside of strings. The bytes of JSON's own characters are never part of another in UTF-8. */
async function screenDepth(bytes: AsyncIterable<Buffer>): Promise<void> {
  let depth = 0;
  let quoted = false;
  let escaped = false;
  let length = 0;
  for await (const chunk of bytes) {
    for (const byte of chunk) {
      if (quoted) {
        if (++length > sourceLimits.textBytes) throw tooLong();
        if (escaped) escaped = false;
        else if (byte === 0x5c) escaped = true;
        else if (byte === 0x22) quoted = false;
      } else if (byte === 0x22) {
        quoted = true;
        length = 0;
      } else if (byte === 0x5b || byte === 0x7b) {
        if (++depth > sourceLimits.depth) throw tooDeep(depth);
      } else if (byte === 0x5d || byte === 0x7d) depth--;
    }
  }
}

const tooLong = () => new ScreenFault(`a text in it has more than ${sourceLimits.textBytes} bytes`);

const tooDeep = (depth: number) =>
  new ScreenFault(`its values nest ${depth} deep or deeper; at most ${sourceLimits.depth} are taken`);

const tooMany = (what: 'columns' | 'rows', count: number) =>
  new ScreenFault(`it has ${count} ${what} or more; at most ${sourceLimits[what]} are taken`);
