/**
 * Scores packaged models over raw parts, a process of its own: `scorer.ts <request.json>`.
 *
 * Each model's first output goes to its file as FLOAT32, little-endian, row-major, in the order of the
 * rows. Lines on standard output tell the progress, a prediction that is no number, and a model that is at fault.
 *
 * The models are anybody's, and approved by nobody yet. So this process has limits, an empty folder to work in, and
 * no secrets (see score-parts.ts), and opens a model only once it is scanned.
 */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import { dirname } from 'node:path';
import { openDuckDb, quoteLiteral } from '../../infra/duckdb.ts';
import type { Chunk, DuckDb } from '../../infra/duckdb.ts';
import { ModelFault, openChecked } from '../../infra/onnx/open.ts';
import type { ColumnBatch, OpenModel } from '../../infra/onnx/session.ts';
import { inputSql } from './input-sql.ts';
import { ScorerRequest } from './scorer-protocol.ts';
import type { ScorerEvent } from './scorer-protocol.ts';
import type { Signature } from '../../contracts/serving.ts';

/** Silence means that one batch takes too long: a batch that was answered is told at least this often. */
const progressMs = 1_000;

/** A model at fault, and which. */
class Refused extends Error {
  readonly model: number;

  constructor(model: number, { message }: ModelFault) {
    super(message);
    this.model = model;
  }
}

process.exitCode = await main(process.argv.at(-1)!);

async function main(requestPath: string): Promise<number> {
  const request = ScorerRequest.parse(JSON.parse(await readFile(requestPath, 'utf8')));
  const scorers: Scorer[] = [];
  try {
    for (const { path, output } of request.models)
      scorers.push(await openScorer(scorers.length, path, output));
    return await scoreAll(scorers, request, dirname(requestPath));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    emit({ event: 'refused', model: error.model, reason: error.message.slice(0, 2_000) });
    return 1;
  }
}

async function scoreAll(
  scorers: readonly Scorer[],
  { parts, shuffled }: ScorerRequest,
  spillDir: string,
): Promise<number> {
  const db = await openDuckDb({ memory: '512MB', threads: 1, spillDir });
  try {
    const columns = inputSql(scorers.map(({ signature }) => signature));
    let rows = 0;
    let told = performance.now();
    for (const part of parts) {
      for await (const chunk of db.stream(`SELECT ${columns} FROM read_parquet(${quoteLiteral(part)})`)) {
        for (const scorer of scorers) {
          const bad = await scoreChunk(scorer, chunk);
          if (bad !== undefined) return refuse(rows + bad);
        }
        rows += chunk.rows;
        if (performance.now() - told < progressMs) continue;
        told = performance.now();
        emit({ event: 'progress', rows });
      }
      emit({ event: 'progress', rows });
    }
    if (shuffled !== undefined) await scoreShuffled(db, scorers[0]!, shuffled);
    for (const { file } of scorers) await finished(file.end());
    return 0;
  } finally {
    await db.close();
  }
}

/** Combinations that do not occur: a model that fails on them is not at fault, and the rest of them is left out. */
async function scoreShuffled(db: DuckDb, scorer: Scorer, part: string): Promise<void> {
  const columns = inputSql([scorer.signature]);
  for await (const chunk of db.stream(`SELECT ${columns} FROM read_parquet(${quoteLiteral(part)})`))
    if ((await scoreChunk(scorer, chunk).catch(unlessRefused)) !== undefined) return;
}

function unlessRefused(error: unknown): number {
  if (error instanceof Refused) return 0;
  throw error;
}

interface Scorer {
  index: number;
  signature: Signature;
  model: OpenModel;
  file: ReturnType<typeof createWriteStream>;
}

function refusing(model: number): (error: unknown) => never {
  return (error) => {
    throw error instanceof ModelFault ? new Refused(model, error) : error;
  };
}

async function openScorer(index: number, path: string, output: string): Promise<Scorer> {
  const opened = await openChecked(path).catch(refusing(index));
  return { index, ...opened, file: createWriteStream(output) };
}

/** @returns the first row of the chunk whose prediction is not finite */
async function scoreChunk(scorer: Scorer, chunk: Chunk): Promise<number | undefined> {
  const { index, signature, model, file } = scorer;
  const outputs = await model.run(chunk.columns as ColumnBatch).catch(refusing(index));
  const values = outputs[signature.outputs[0]!.name]!;
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) return Math.floor((bad * chunk.rows) / values.length);
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  if (!file.write(bytes)) await once(file, 'drain');
  return undefined;
}

function refuse(row: number): number {
  emit({ event: 'not-finite', row });
  return 1;
}

function emit(event: ScorerEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}
