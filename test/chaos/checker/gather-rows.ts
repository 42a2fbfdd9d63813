/** Predictions, labels and pushed rows, as they lie in the store. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DuckDb } from '../../../infra/duckdb.ts';
import { openDuckDb, quoteIdentifier, quoteLiteral } from '../../../infra/duckdb.ts';
import type { Store } from '../../../infra/store/store.ts';
import { grouped } from './breach.ts';
import type { Label, Landed, Prediction } from './evidence.ts';

interface Rows {
  predictions: Prediction[];
  labels: Label[];
  landed: Landed[];
}

/** One statement's file list stays short enough to be read. */
const filesAtOnce = 200;

/** @param keys `<kind>/<model>/…/<file>.parquet`; a row costs some 300 bytes of memory */
export async function readRows(store: Store, keys: string[]): Promise<Rows> {
  const rows: Rows = { predictions: [], labels: [], landed: [] };
  const spillDir = await mkdtemp(join(tmpdir(), 'esteira-checker-'));
  const db = await openDuckDb({ memory: '512MB', threads: 1, spillDir });
  try {
    // Versions may differ in their columns: one statement reads files of one kind, model and version.
    const whole = new Set(keys);
    for (const group of grouped(
      keys.filter((key) => !isMerged(key, whole)),
      likeness,
    ).values()) {
      for (let at = 0; at < group.length; at += filesAtOnce)
        await readFiles(db, store, group.slice(at, at + filesAtOnce), rows);
    }
  } finally {
    await db.close();
    await rm(spillDir, { recursive: true, force: true });
  }
  return rows;
}

/** A file of a day of pushed rows that is one file by now: nobody reads it any more. */
function isMerged(key: string, keys: ReadonlySet<string>): boolean {
  const day = /^landing\/[^/]+\/[^/]+(?=\/)/.exec(key)?.[0];
  return day !== undefined && keys.has(`${day}.parquet`);
}

function likeness(key: string): string {
  const [kind, model] = key.split('/');
  return `${kind}/${model}/${/-v\d+\.parquet$/.exec(key)?.[0] ?? ''}`;
}

async function readFiles(db: DuckDb, store: Store, keys: string[], rows: Rows): Promise<void> {
  const keyOf = new Map<string, string>();
  for (const key of keys) keyOf.set(await store.localKey(key), key);
  const list = [...keyOf.keys()].map(quoteLiteral).join(', ');
  const files = `read_parquet([${list}], union_by_name = true, filename = true)`;
  const [kind, model = ''] = keys[0]!.split('/');
  if (kind === 'labels') {
    const found = await db.rows<{ id: string; label: string; time: string; filename: string }>(
      `SELECT id, label, CAST(time AS VARCHAR) AS time, filename FROM ${files}`,
    );
    for (const { filename, ...label } of found)
      rows.labels.push({ model, ...label, from: keyOf.get(filename) ?? filename });
    return;
  }
  if (kind === 'landing') {
    const found = await db.rows<{ id: string; filename: string }>(`SELECT id, filename FROM ${files}`);
    for (const { id, filename } of found)
      rows.landed.push({ source: model, id, from: keyOf.get(filename) ?? filename });
    return;
  }
  const found = await db.rows<Prediction & { filename: string }>(
    `SELECT id, model, version, digest, route, epoch, time, "loggedAt", ms, filename,
       md5(${await textOf(db, files, 'in_')}) AS asked, left(${await textOf(db, files, 'out_')}, 500) AS answered
     FROM ${files}`,
  );
  for (const { filename, ...row } of found)
    rows.predictions.push({ ...row, from: keyOf.get(filename) ?? filename });
}

async function textOf(db: DuckDb, files: string, prefix: string): Promise<string> {
  const described = await db.rows<{ column_name: string }>(`DESCRIBE SELECT * FROM ${files}`);
  const names = described.map(({ column_name: name }) => name).filter((name) => name.startsWith(prefix));
  return names.length === 0 ? `''` : `CAST(row(${names.map(quoteIdentifier).join(', ')}) AS VARCHAR)`;
}
