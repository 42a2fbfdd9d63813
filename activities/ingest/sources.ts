/** The project's sources as DuckDB views, and what exactly was read: every file with its digest. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { isAbsolute, join, relative } from 'node:path';
import { Context } from '@temporalio/activity';
import type { DatasetManifest } from '../../contracts/dataset.ts';
import { permanent } from '../../contracts/failures.ts';
import type { PinnedProject, Source } from '../../contracts/project.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';
import { sha256Of } from '../../infra/digest.ts';

type SourceFiles = DatasetManifest['sources'];

const readers = { csv: 'read_csv', parquet: 'read_parquet', json: 'read_json' } as const;

/** @throws `UnreadableSource` when a path matches nothing or a file cannot be opened as its format. */
export async function openSources(db: DuckDb, pinned: PinnedProject): Promise<SourceFiles> {
  const found: SourceFiles = [];
  for (const [name, source] of Object.entries(pinned.project.sources)) {
    const files = await filesOf(db, pinned.root, name, source);
    for (const file of files) {
      const { size } = await stat(file);
      const sha256 = await sha256Of(createReadStream(file));
      found.push({ source: name, uri: relative(pinned.root, file), sha256, bytes: size });
      Context.current().heartbeat({ reading: name });
    }
    const list = files.map(quoteLiteral).join(', ');
    const format = formatOf(name, source, files[0]!);
    const options = format === 'csv' ? csvOptions(source, files[0]!) : '';
    try {
      await db.run(
        `CREATE VIEW ${quoteIdentifier(name)} AS SELECT * FROM ${readers[format]}([${list}]${options})`,
      );
    } catch (error) {
      const reason = (format === 'csv' && (await faultyLine(db, list, options))) || firstLines(error);
      const message = `source ${name} (${source.path}) cannot be read: ${reason}`;
      throw permanent('UnreadableSource', message, { source: name, file: source.path });
    }
  }
  return found;
}

async function filesOf(db: DuckDb, root: string, name: string, source: Source): Promise<string[]> {
  const pattern = isAbsolute(source.path) ? source.path : join(root, source.path);
  const rows = await db.rows<{ file: string }>(
    `SELECT file FROM glob(${quoteLiteral(pattern)}) ORDER BY file`,
  );
  if (rows.length > 0) return rows.map(({ file }) => file);
  const message = `source ${name}: no file matches ${source.path} (looked in ${root})`;
  throw permanent('UnreadableSource', message, { source: name, file: source.path });
}

/**
 * Why a CSV has no one shape: reads it as plain text under its own header, which stops at the first bad line.
 *
 * @returns DuckDB's words, with the line's number, or undefined when every line reads
 */
async function faultyLine(db: DuckDb, list: string, options: string): Promise<string | undefined> {
  try {
    const header = await db.rows<{ column_name: string }>(
      `DESCRIBE SELECT * FROM read_csv([${list}]${options}, ignore_errors = true, all_varchar = true)`,
    );
    const columns = header.map(({ column_name: name }) => `${quoteLiteral(name)}: 'VARCHAR'`).join(', ');
    await db.rows(
      `SELECT count(*) FROM read_csv([${list}]${options}, auto_detect = false, columns = {${columns}})`,
    );
    return undefined;
  } catch (error) {
    return firstLines(error);
  }
}

function firstLines(error: unknown): string {
  return (error instanceof Error ? error.message : String(error))
    .split('\n')
    .slice(0, 3)
    .join(' ')
    .slice(0, 600);
}

/** Said, not sniffed: on a broken file a guess would find some other shape that fits, and hide the fault. */
function csvOptions(source: Source, file: string): string {
  const delimiter = source.delimiter ?? (/\.tsv(\.gz)?$/i.test(file) ? '\t' : ',');
  return `, header = true, skip = 0, delim = ${quoteLiteral(delimiter)}, quote = '"', escape = '"'`;
}

function formatOf(name: string, source: Source, file: string): keyof typeof readers {
  if (source.format) return source.format;
  if (/\.(csv|tsv)(\.gz)?$/i.test(file)) return 'csv';
  if (/\.(parquet|pq)$/i.test(file)) return 'parquet';
  if (/\.(json|jsonl|ndjson)(\.gz)?$/i.test(file)) return 'json';
  const message = `source ${name}: the format of ${file} is unknown; say format: csv, parquet or json`;
  throw permanent('UnreadableSource', message, { source: name, file });
}
