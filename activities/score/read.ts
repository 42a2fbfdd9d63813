/**
 * One input file, looked at before anything is written: its digest, its rows, its columns. CSV and JSON are read to
 * their end, each value held against what the model takes, and kept as Parquet, for nobody could begin in the middle
 * of them.
 */
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import type { ScoreInput, ScoreRequest, ScoreSource } from '../../contracts/score.ts';
import type { Signature } from '../../contracts/serving.ts';
import { sha256, sha256Of } from '../../infra/digest.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteLiteral } from '../../infra/duckdb.ts';
import { canonicalJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { FooterFault, readFooter } from '../ingest/parquet-footer.ts';
import { ScreenFault, screenContent } from '../ingest/screen.ts';
import { csvOptions, delimiterOf, faultyLine, firstLines } from '../ingest/csv.ts';
import { misfitSql, refuseColumns, refuseMisfit, stagedSql } from './columns.ts';
import type { FileColumn } from './columns.ts';
import { unreadable } from './inputs.ts';
import type { InputFile } from './inputs.ts';

export interface ReadFile {
  input: z.infer<typeof ScoreInput> & { columns: number };
  source: z.infer<typeof ScoreSource>;
}

export interface Reading {
  store: Store;
  db: DuckDb;
  folder: string;
  request: ScoreRequest;
  signature: Signature;
}

/** @throws `UnreadableSource`, `MissingColumn`, `BadRows` */
export async function readInput(reading: Reading, file: InputFile): Promise<ReadFile> {
  const { name, format, path, source } = file;
  await reasoned(name, () => screenContent(path, format, delimiterOf(reading.request, path)));
  const about = { name, bytes: source.bytes, sha256: await sha256Of(createReadStream(path)) };
  return format === 'parquet' ? readParquet(reading, file, about) : readText(reading, file, about);
}

type About = Pick<z.infer<typeof ScoreInput>, 'name' | 'bytes' | 'sha256'>;

async function readParquet(
  { db, request, signature }: Reading,
  { name, path, source }: InputFile,
  about: About,
): Promise<ReadFile> {
  const { rows } = await reasoned(name, () => readFooter(path));
  const columns = await reasoned(name, () => describe(db, `read_parquet(${quoteLiteral(path)})`));
  refuseColumns(name, columns, signature, request);
  return { input: { ...about, rows, columns: columns.length }, source };
}

async function readText(
  reading: Reading,
  { name, path, format }: InputFile,
  about: About,
): Promise<ReadFile> {
  const { store, db, folder, request, signature } = reading;
  const list = quoteLiteral(path);
  const plain = format === 'csv' ? `read_csv(${list}${csvOptions(request, path)}` : `read_json(${list}`;
  const columns = await reasoned(name, () => describe(db, `${plain})`)).catch(async (error: unknown) => {
    const line = format === 'csv' && (await faultyLine(db, list, csvOptions(request, path)));
    throw line ? unreadable(name, line) : error;
  });
  // What the model takes is read as text and cast here: a guess from the first rows is no type.
  const taken = columns.map((column) => ({ ...column, type: takenAs(column, signature) ?? column.type }));
  refuseColumns(name, taken, signature, request);
  const kept = columns.filter(
    (column) => !request.keep || request.keep.includes(column.name) || takenAs(column, signature),
  );
  const read = kept.map((column) => ({
    ...column,
    type: takenAs(column, signature) ? 'VARCHAR' : column.type,
  }));
  const typed = format === 'csv' ? read.filter((column) => takenAs(column, signature)) : read;
  const types = typed.map(({ name, type }) => `${quoteLiteral(name)}: ${quoteLiteral(type)}`).join(', ');
  const from = `${plain}, ${format === 'csv' ? 'types' : 'columns'} = {${types}})`;
  const misfits = misfitSql(signature, from);
  if (misfits !== undefined) {
    const [found] = await reasoned(name, () => db.rows<Record<string, number | null>>(misfits));
    refuseMisfit(name, signature, found!);
  }
  const staged = join(folder, 'staged.parquet');
  const rows = await reasoned(name, () =>
    db.run(`COPY (SELECT ${stagedSql(read, signature)} FROM ${from}) TO ${quoteLiteral(staged)}
      (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE 131072)`),
  );
  const shape = sha256(
    canonicalJson({ read, delimiter: request.delimiter ?? null, signature: signature.inputs }),
  );
  const key = `${stagedPrefix(request.scoreId)}${about.sha256}-${shape.slice(0, 16)}.parquet`;
  await store.createFromFile(key, staged, 'application/vnd.apache.parquet');
  await rm(staged);
  return {
    input: { ...about, rows, columns: columns.length },
    source: { key, in: 'store', bytes: about.bytes },
  };
}

/** What a run keeps in our store while it goes on. */
export const keptPrefix = (scoreId: string): string => `scores/${scoreId.slice('score/'.length)}/`;
const stagedPrefix = (scoreId: string): string => `${keptPrefix(scoreId)}staged/`;

/** The SQL type that stands for the kind a model's column has; undefined for a column that it does not take. */
function takenAs({ name }: FileColumn, signature: Signature): string | undefined {
  const spec = signature.inputs.find((one) => one.name === name);
  if (!spec) return undefined;
  if (spec.datatype === 'BYTES') return 'VARCHAR';
  if (spec.datatype === 'BOOL') return 'BOOLEAN';
  return spec.datatype === 'INT64' ? 'TIMESTAMP' : 'DOUBLE';
}

async function describe(db: DuckDb, from: string): Promise<FileColumn[]> {
  const rows = await db.rows<{ column_name: string; column_type: string }>(`DESCRIBE SELECT * FROM ${from}`);
  return rows.map(({ column_name: name, column_type: type }) => ({ name, type }));
}

/** A file that is not what its name says will not be at the next try. */
async function reasoned<T>(name: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof ScreenFault || error instanceof FooterFault) throw unreadable(name, error.message);
    const message = error instanceof Error ? error.message : String(error);
    if (
      /^(Invalid Input|Conversion|Parser|Binder|Not implemented|CSV) Error|Malformed|^Serialization/i.test(
        message,
      )
    )
      throw unreadable(name, firstLines(error));
    throw error;
  }
}
