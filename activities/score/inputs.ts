/**
 * Which files an input means: a file, a folder, a pattern, or the same in an S3 bucket.
 *
 * Files whose name begins with `.` or `_` are none of the data: that is how tools mark what they put beside it.
 */
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { permanent } from '../../contracts/failures.ts';
import type { ScoreSource } from '../../contracts/score.ts';
import type { z } from 'zod';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteLiteral } from '../../infra/duckdb.ts';
import { unlessCode } from '../../infra/errno.ts';
import type { Store } from '../../infra/store/store.ts';
import { nearest, ScreenFault, screenFile, sourceLimits } from '../ingest/screen.ts';

export type Format = 'csv' | 'json' | 'parquet';

export interface InputFile {
  /** Relative to the asked place. */
  name: string;
  format: Format;
  /** To read it now. */
  path: string;
  source: z.infer<typeof ScoreSource>;
}

const formats: [RegExp, Format][] = [
  [/\.(csv|tsv)(\.gz)?$/i, 'csv'],
  [/\.(parquet|pq)$/i, 'parquet'],
  [/\.(json|jsonl|ndjson)(\.gz)?$/i, 'json'],
];

const formatOf = (name: string): Format | undefined => formats.find(([pattern]) => pattern.test(name))?.[1];

/** The folder of an S3 input, and which of its keys are meant. */
export function s3Input(uri: string): { folder: string; takes(key: string): boolean } {
  const url = new URL(uri);
  const path = decodeURIComponent(url.pathname);
  const wild = path.indexOf('*');
  if (wild < 0 && !formatOf(path)) return { folder: uri, takes: () => true };
  const cut = (wild < 0 ? path : path.slice(0, wild)).lastIndexOf('/') + 1;
  const pattern = new RegExp(
    `^${path
      .slice(cut)
      .split(/(\*\*\/?|\*)/)
      .map(patternOf)
      .join('')}$`,
  );
  url.pathname = path.slice(0, cut);
  return { folder: url.href, takes: (key) => pattern.test(key) };
}

function patternOf(piece: string): string {
  if (piece === '*') return '[^/]*';
  if (piece.startsWith('**')) return piece.endsWith('/') ? '(?:.*/)?' : '.*';
  return piece.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&');
}

/** @throws `UnreadableSource` when nothing is meant, too much, or what may not be read */
export async function filesOf(db: DuckDb, input: string, s3: Store | undefined): Promise<InputFile[]> {
  const found = s3 ? await inBucket(s3, input) : await onDisk(db, input);
  if (found.length > sourceLimits.files)
    throw unreadable(input, `it means more than ${sourceLimits.files} files`);
  if (found.length > 0) return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  throw unreadable(input, 'no .parquet, .csv, .tsv, .json or .jsonl file is there');
}

async function inBucket(s3: Store, input: string): Promise<InputFile[]> {
  const { takes } = s3Input(input);
  const files: InputFile[] = [];
  for await (const { key, bytes } of s3.list('')) {
    const format = formatOf(key);
    if (!format || !takes(key) || isAside(key)) continue;
    if (files.length > sourceLimits.files) break;
    files.push({ name: key, format, path: await s3.localKey(key), source: { key, in: 's3', bytes } });
  }
  return files;
}

async function onDisk(db: DuckDb, input: string): Promise<InputFile[]> {
  const there = await stat(input).catch(unlessCode('ENOENT'));
  const base = there?.isDirectory()
    ? input
    : there
      ? dirname(await realpath(input))
      : dirname(`${input.replace(/[*?[].*$/s, '')}.`);
  const paths = there?.isDirectory()
    ? (await readdir(input, { recursive: true }))
        .map((name) => join(input, name))
        .filter((path) => formatOf(path))
    : there
      ? [join(base, basename(await realpath(input)))]
      : await globbed(db, input);
  const root = await nearest(base);
  const files: InputFile[] = [];
  for (const path of paths.slice(0, sourceLimits.files + 1)) {
    const name = relative(base, path).split(sep).join('/');
    if (isAside(name)) continue;
    files.push(await screened(name, root, path));
  }
  return files;
}

async function globbed(db: DuckDb, pattern: string): Promise<string[]> {
  const rows = await db.rows<{ file: string }>(
    `SELECT file FROM glob(${quoteLiteral(pattern)}) ORDER BY file LIMIT ${sourceLimits.files + 1}`,
  );
  return rows.map(({ file }) => file);
}

async function screened(name: string, root: string, path: string): Promise<InputFile> {
  try {
    const real = await screenFile(root, path);
    const format = formatOf(path);
    if (!format) throw new ScreenFault('its name says no format; .parquet, .csv, .tsv, .json and .jsonl do');
    const { size, mtimeMs } = await stat(real);
    return { name, format, path: real, source: { path: real, in: 'file', bytes: size, modifiedMs: mtimeMs } };
  } catch (error) {
    if (error instanceof ScreenFault) throw unreadable(name, error.message);
    throw error;
  }
}

const isAside = (name: string): boolean => name.split('/').some((segment) => /^[._]/.test(segment));

export function unreadable(file: string, why: string) {
  return permanent('UnreadableSource', `${file.slice(0, 300)} cannot be scored: ${why}`, {
    source: '',
    file,
  });
}
