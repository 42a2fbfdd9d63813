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
    const reader = readers[formatOf(name, source, files[0]!)];
    try {
      await db.run(`CREATE VIEW ${quoteIdentifier(name)} AS SELECT * FROM ${reader}([${list}])`);
    } catch (error) {
      const reason = error instanceof Error ? error.message.split('\n').slice(0, 3).join(' ') : String(error);
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

function formatOf(name: string, source: Source, file: string): keyof typeof readers {
  if (source.format) return source.format;
  if (/\.(csv|tsv)(\.gz)?$/i.test(file)) return 'csv';
  if (/\.(parquet|pq)$/i.test(file)) return 'parquet';
  if (/\.(json|jsonl|ndjson)(\.gz)?$/i.test(file)) return 'json';
  const message = `source ${name}: the format of ${file} is unknown; say format: csv, parquet or json`;
  throw permanent('UnreadableSource', message, { source: name, file });
}
