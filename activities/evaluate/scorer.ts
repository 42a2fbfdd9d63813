/**
 * Scores packaged models over raw parts, a process of its own: `scorer.ts <request.json>`.
 *
 * Each model's first output goes to its file as FLOAT32, little-endian, row-major, in the order of the
 * rows. Lines on standard output tell the progress, and a prediction that is no number.
 */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import { dirname } from 'node:path';
import { openDuckDb, quoteLiteral } from '../../infra/duckdb.ts';
import type { Chunk } from '../../infra/duckdb.ts';
import { openModel } from '../../infra/onnx/session.ts';
import type { ColumnBatch, OpenModel } from '../../infra/onnx/session.ts';
import { readSignature } from '../../infra/onnx/signature.ts';
import { inputSql } from './input-sql.ts';
import { ScorerRequest } from './scorer-protocol.ts';
import type { ScorerEvent } from './scorer-protocol.ts';
import type { Signature } from '../../contracts/serving.ts';

process.exitCode = await main(process.argv.at(-1)!);

async function main(requestPath: string): Promise<number> {
  const request = ScorerRequest.parse(JSON.parse(await readFile(requestPath, 'utf8')));
  const scorers: Scorer[] = [];
  for (const { path, output } of request.models) scorers.push(await openScorer(path, output));
  const db = await openDuckDb({ memory: '512MB', threads: 1, spillDir: dirname(requestPath) });
  try {
    const columns = inputSql(scorers.map(({ signature }) => signature));
    let rows = 0;
    for (const part of request.parts) {
      for await (const chunk of db.stream(`SELECT ${columns} FROM read_parquet(${quoteLiteral(part)})`)) {
        for (const scorer of scorers) {
          const bad = await scoreChunk(scorer, chunk);
          if (bad !== undefined) return refuse(rows + bad);
        }
        rows += chunk.rows;
      }
      emit({ event: 'progress', rows });
    }
    for (const { file } of scorers) await finished(file.end());
    return 0;
  } finally {
    await db.close();
  }
}

interface Scorer {
  signature: Signature;
  model: OpenModel;
  file: ReturnType<typeof createWriteStream>;
}

async function openScorer(path: string, output: string): Promise<Scorer> {
  const signature = readSignature(await readFile(path));
  return { signature, model: await openModel(path, signature), file: createWriteStream(output) };
}

/** @returns the first row of the chunk whose prediction is not finite */
async function scoreChunk({ signature, model, file }: Scorer, chunk: Chunk): Promise<number | undefined> {
  const outputs = await model.run(chunk.columns as ColumnBatch);
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
