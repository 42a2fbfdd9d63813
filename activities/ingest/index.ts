/**
 * Ingest: reads the project's sources for one window, runs its query, and files the rows as
 * content-addressed Parquet parts under a manifest.
 *
 * Running it twice is harmless: the same inputs give the same bytes, and the same bytes are stored
 * once. Memory is bounded by DuckDB's limit; what does not fit spills to the work folder.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import type { Window } from '../../contracts/artifact.ts';
import { DatasetManifest } from '../../contracts/dataset.ts';
import type { Column, Part } from '../../contracts/dataset.ts';
import { parse, permanent } from '../../contracts/failures.ts';
import type { Input, StageActivities } from '../../contracts/lifecycle.ts';
import { PinnedProject } from '../../contracts/project.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';
import { codeDigest, nodeDigest } from '../../infra/code-digest.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { canonicalJson, createJson, putJsonBlob, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { sha256 } from '../../infra/digest.ts';
import { canonicalType, selectWindow } from './select.ts';
import { openSources } from './sources.ts';
import { withEngine } from '../engine.ts';
import type { EngineDeps } from '../engine.ts';
import { recorded } from '../record.ts';
import type { Origin } from '../reuse.ts';

/** Rows a part: large enough to scan fast, small enough to hand to another machine. */
export const rowsPerPart = 131_072;

export interface IngestDeps extends EngineDeps {
  store: Store;
}

export function createIngest(deps: IngestDeps): Pick<StageActivities, 'ingest'> {
  return {
    ingest: (unparsed) => {
      /** As they were when it was asked whether another run's result will do. */
      let looked: DatasetManifest['sources'] | undefined;
      return recorded(
        deps.store,
        'ingest',
        unparsed,
        async (input) => {
          const pinned = await readJsonBlob(deps.store, input.project, PinnedProject);
          const manifest = await withEngine(deps, 'ingest', (db, folder) =>
            read(deps.store, db, folder, pinned, input.window),
          );
          // Its rows must not be kept under the digests of others.
          if (looked && canonicalJson(looked) !== canonicalJson(manifest.sources))
            throw new Error('a source changed while it was read; ingest begins anew');
          const stored = await putJsonBlob(deps.store, manifest);
          const { name, rows } = manifest;
          await failpoint('ingest:stored');
          await createJson(deps.store, `datasets/${name}/${stored.sha256}.json`, manifest);
          return {
            output: { name, digest: stored.sha256, manifest: stored, rows },
            inputs: { project: input.project },
            details: { sources: manifest.sources, watermark: manifest.last, gitCommit: pinned.gitCommit },
          };
        },
        async (input) => {
          const origin = await originOf(deps, input);
          looked = origin.data;
          return origin;
        },
      );
    },
  };
}

/** Reads every source to its end: what a file is called, or when it was written, says nothing of what is in it. */
async function originOf(
  deps: IngestDeps,
  { project, window }: Input<'ingest'>,
): Promise<Origin & { data: DatasetManifest['sources'] }> {
  const pinned = await readJsonBlob(deps.store, project, PinnedProject);
  const { model, sources, key, time, label } = pinned.project;
  const data = await withEngine(deps, 'ingest', (db) => openSources(db, pinned, deps.store));
  return {
    code: codeDigest('activities/ingest', 'infra/duckdb.ts'),
    environment: nodeDigest(),
    parameters: { model, sources, sql: pinned.sql, key, time, label },
    ...{ data, window },
  };
}

async function read(
  store: Store,
  db: DuckDb,
  folder: string,
  pinned: PinnedProject,
  window: Window,
): Promise<DatasetManifest> {
  const sources = await openSources(db, pinned, store);
  const columns = await materialise(db, pinned, window);
  const { rows, first, last } = await extent(db, pinned, window);
  const parts = await fileParts(store, db, folder, rows);
  const { key, time, label, model: name } = pinned.project;
  const queryDigest = sha256(pinned.sql);
  const about = { name, columns, key, time, label, queryDigest, sources };
  return parse(DatasetManifest, { ...about, rows, window, first, last, parts });
}

/** Fills the table `dataset`, sorted, so that equal inputs give equal parts. */
async function materialise(db: DuckDb, pinned: PinnedProject, window: Window): Promise<Column[]> {
  const query = selectWindow(pinned.sql, window);
  const described = await failing(pinned, () =>
    db.rows<{ column_name: string; column_type: string }>(`DESCRIBE ${query}`),
  );
  const columns = described.map(({ column_name: name, column_type: type }) => ({
    name,
    ...canonicalType(name, type),
  }));
  const names = columns.map(({ name }) => name);
  for (const [field, name] of Object.entries({
    key: pinned.project.key,
    time: pinned.project.time,
    label: pinned.project.label,
  })) {
    if (names.includes(name)) continue;
    const message = `the query gives no column ${name}, which the project names as its ${field}; it gives ${names.join(', ')}`;
    throw permanent('MissingColumn', message, { column: name, columns: names });
  }
  const time = quoteIdentifier(pinned.project.time);
  const selected = columns.map(
    ({ name, sql }) => `CAST(${quoteIdentifier(name)} AS ${sql}) AS ${quoteIdentifier(name)}`,
  );
  const all = names.map(quoteIdentifier).join(', ');
  await failing(pinned, () =>
    db.run(
      `CREATE TABLE dataset AS SELECT ${selected.join(', ')} FROM (${query})
       WHERE ${time} >= TIMESTAMP ${quoteLiteral(window.from)} AND ${time} < TIMESTAMP ${quoteLiteral(window.until)}
       ORDER BY ${time}, ${quoteIdentifier(pinned.project.key)}, hash(${all})`,
    ),
  );
  return columns.map(({ name, type }) => ({ name, type }));
}

async function extent(db: DuckDb, pinned: PinnedProject, window: Window) {
  const time = quoteIdentifier(pinned.project.time);
  const [found] = await db.rows<{ rows: number; first: string | null; last: string | null }>(
    `SELECT count(*) AS rows, min(${time}) AS first, max(${time}) AS last FROM dataset`,
  );
  if (!found || found.rows === 0 || found.first === null || found.last === null) {
    const message = `no rows of ${pinned.project.model} between ${window.from} and ${window.until}`;
    throw permanent('EmptyWindow', message, window);
  }
  return { rows: found.rows, first: found.first, last: found.last };
}

async function fileParts(store: Store, db: DuckDb, folder: string, rows: number): Promise<Part[]> {
  const parts: Part[] = [];
  for (let from = 0; from < rows; from += rowsPerPart) {
    const until = Math.min(rows, from + rowsPerPart);
    const path = join(folder, `part-${parts.length}.parquet`);
    await db.run(
      `COPY (SELECT * FROM dataset WHERE rowid >= ${from} AND rowid < ${until}) TO ${quoteLiteral(path)}
       (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE ${rowsPerPart})`,
    );
    parts.push({ artifact: await store.putFile(path, 'application/vnd.apache.parquet'), rows: until - from });
    await rm(path);
    await failpoint('ingest:part');
    Context.current().heartbeat({ rows: until, of: rows });
  }
  return parts;
}

/** The project's own SQL failing is the project's fault, and trying again ends the same. */
async function failing<T>(pinned: PinnedProject, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (/IO Error|Interrupt/i.test(message)) throw error;
    const isFile = /CSV Error|Invalid Input Error.*(csv|json|parquet)|Malformed/is.test(message);
    // The line itself may be somebody's: its number must do, for Temporal keeps what it is told.
    const lines = message.split('\n').filter((line) => !line.startsWith('Original Line'));
    const first = lines.slice(0, 4).join(' ').slice(0, 800);
    if (isFile)
      throw permanent('UnreadableSource', `a source cannot be read: ${first}`, { source: '', file: '' });
    throw permanent('QueryFailed', `the query of ${pinned.project.model} fails: ${first}`, {
      query: canonicalJson(pinned.sql).slice(0, 500),
    });
  }
}
