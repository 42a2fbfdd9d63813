/**
 * The project's sources as DuckDB views, and what exactly was read: every file with its digest.
 *
 * Files are screened before DuckDB sees them, and once they are open the engine is locked: the project's own SQL comes
 * next, and reaches its sources and nothing else.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { Context } from '@temporalio/activity';
import type { DatasetManifest } from '../../contracts/dataset.ts';
import { permanent } from '../../contracts/failures.ts';
import type { PinnedProject, Source } from '../../contracts/project.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';
import { sha256Of } from '../../infra/digest.ts';
import type { Store } from '../../infra/store/store.ts';
import { csvOptions, delimiterOf, faultyLine, firstLines } from './csv.ts';
import { nearest, ScreenFault, screenContent, screenFile, screenPlace, sourceLimits } from './screen.ts';

type SourceFiles = DatasetManifest['sources'];

const readers = { csv: 'read_csv', parquet: 'read_parquet', json: 'read_json' } as const;

/**
 * @param store where rows lie that were pushed to the gateway, for `landing:` paths
 * @throws `UnreadableSource` when a path matches nothing, or what may not or cannot be read as its format.
 */
export async function openSources(
  db: DuckDb,
  pinned: PinnedProject,
  store: Pick<Store, 'list' | 'localKey'>,
): Promise<SourceFiles> {
  const found: SourceFiles = [];
  const opened: string[] = [];
  const root = await nearest(pinned.root);
  for (const [name, source] of Object.entries(pinned.project.sources)) {
    const files = await screened(name, source, () => filesOf(db, pinned.root, name, source, store));
    const format = files[0]!.uri === undefined ? formatOf(name, source, files[0]!.path) : 'parquet';
    for (const { path: file, uri = relative(root, file) } of files) {
      await screened(name, source, () => screenContent(file, format, delimiterOf(source, file)));
      const { size } = await stat(file);
      const sha256 = await sha256Of(createReadStream(file));
      found.push({ source: name, uri, sha256, bytes: size });
      Context.current().heartbeat({ reading: name });
    }
    const paths = files.map(({ path }) => path);
    await createView(db, name, source, paths, format);
    opened.push(...paths);
  }
  await db.lock(opened);
  return found;
}

async function createView(
  db: DuckDb,
  name: string,
  source: Source,
  files: readonly string[],
  format: keyof typeof readers,
): Promise<void> {
  const list = files.map(quoteLiteral).join(', ');
  const options = format === 'csv' ? csvOptions(source, files[0]!) : '';
  const view = quoteIdentifier(name);
  try {
    await db.run(`CREATE VIEW ${view} AS SELECT * FROM ${readers[format]}([${list}]${options})`);
  } catch (error) {
    const reason = (format === 'csv' && (await faultyLine(db, list, options))) || firstLines(error);
    throw unreadable(name, source, reason);
  }
  const [described] = await db.rows<{ n: number }>(`SELECT count(*) AS n FROM (DESCRIBE ${view})`);
  if (described!.n <= sourceLimits.columns) return;
  throw unreadable(name, source, `it has ${described!.n} columns; at most ${sourceLimits.columns} are taken`);
}

function unreadable(name: string, source: Source, reason: string) {
  const message = `source ${name} (${source.path.slice(0, 200)}) cannot be read: ${reason}`;
  return permanent('UnreadableSource', message, { source: name, file: source.path });
}

async function screened<T>(name: string, source: Source, screen: () => Promise<T>): Promise<T> {
  try {
    return await screen();
  } catch (error) {
    if (error instanceof ScreenFault) throw unreadable(name, source, error.message);
    throw error;
  }
}

/** Where it lies on this disk; and in the store, where it came from there. */
interface SourceFile {
  path: string;
  uri?: string;
}

/** @returns real paths: a link that is moved later leads nowhere else */
async function filesOf(
  db: DuckDb,
  root: string,
  name: string,
  source: Source,
  store: Pick<Store, 'list' | 'localKey'>,
): Promise<SourceFile[]> {
  const landing = /^landing:(.*)$/s.exec(source.path)?.[1];
  if (landing !== undefined) return landedFiles(store, name, source, landing);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(source.path)) throw new ScreenFault('it is a URL; sources are files');
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
  if (/[\u0000-\u001f\u007f]/.test(source.path)) throw new ScreenFault('it holds a control character');
  const pattern = resolve(root, source.path);
  await screenPlace(root, pattern);
  const { files: most } = sourceLimits;
  const rows = await db.rows<{ file: string }>(
    `SELECT file FROM glob(${quoteLiteral(pattern)}) ORDER BY file LIMIT ${most + 1}`,
  );
  if (rows.length > most) throw new ScreenFault(`it matches more than ${most} files`);
  const files: SourceFile[] = [];
  for (const { file } of rows) files.push({ path: await screenFile(root, file) });
  if (files.length > 0) return files;
  const message = `source ${name}: no file matches ${source.path.slice(0, 200)} (looked in ${root})`;
  throw permanent('UnreadableSource', message, { source: name, file: source.path });
}

/** Rows that were pushed to the gateway's `/data/<source>`, in the order in which they came. */
async function landedFiles(
  store: Pick<Store, 'list' | 'localKey'>,
  name: string,
  source: Source,
  landing: string,
): Promise<SourceFile[]> {
  if (!/^[a-z][a-z0-9_-]{0,62}$/.test(landing))
    throw new ScreenFault('after "landing:" comes the name of a source that rows are pushed to');
  const files: SourceFile[] = [];
  let whole = '';
  for await (const { key } of store.list(`landing/${landing}/`)) {
    // A day's one file comes before the many that it is made of, some of which may still be there.
    if (whole !== '' && key.startsWith(whole)) continue;
    if (key.split('/').length === 3) whole = key.replace(/\.parquet$/, '/');
    if (files.length === sourceLimits.files)
      throw new ScreenFault(`it has more than ${sourceLimits.files} files`);
    files.push({ path: await store.localKey(key), uri: key });
    Context.current().heartbeat({ files: files.length });
  }
  if (files.length > 0) return files;
  const message = `source ${name}: nothing was pushed to /data/${landing} yet`;
  throw permanent('UnreadableSource', message, { source: name, file: source.path });
}

function formatOf(name: string, source: Source, file: string): keyof typeof readers {
  if (source.format) return source.format;
  if (/\.(csv|tsv)(\.gz)?$/i.test(file)) return 'csv';
  if (/\.(parquet|pq)$/i.test(file)) return 'parquet';
  if (/\.(json|jsonl|ndjson)(\.gz)?$/i.test(file)) return 'json';
  const message = `source ${name}: the format of ${file} is unknown; say format: csv, parquet or json`;
  throw permanent('UnreadableSource', message, { source: name, file });
}
