/**
 * What somebody would write by hand to score files: DuckDB reads, onnxruntime answers, DuckDB writes. One process, the
 * libraries' own choice of threads: `score-raw.ts <request.json>`. Says what it took as JSON.
 *
 * The model's own input columns are known to it, as they would be by hand; nothing is checked, resumed or recorded.
 */
import '../infra/onnx/no-telemetry.mjs';
import { readFileSync } from 'node:fs';
import { DuckDBDataChunk, DuckDBInstance, FLOAT } from '@duckdb/node-api';
import { InferenceSession, Tensor } from 'onnxruntime-node';

interface Request {
  model: string;
  output: string;
  files: { path: string; to: string }[];
  /** Names of the model's columns, numbers and text. */
  numbers: string[];
  texts: string[];
}

const { model, files, numbers, texts, output } = JSON.parse(
  readFileSync(process.argv.at(-1)!, 'utf8'),
) as Request;
const instance = await DuckDBInstance.create(':memory:');
const db = await instance.connect();
const session = await InferenceSession.create(model, { logSeverityLevel: 3 });
let rows = 0;
let answering = 0;
for (const { path, to } of files) {
  await db.run('CREATE OR REPLACE TABLE answers (probability FLOAT)');
  const appender = await db.createAppender('answers');
  const columns = [
    ...numbers.map((name) => `coalesce(CAST(${name} AS DOUBLE), 'nan') AS ${name}`),
    ...texts.map((name) => `coalesce(${name}, '') AS ${name}`),
  ];
  const reader = await instance.connect();
  const result = await reader.stream(`SELECT ${columns.join(', ')} FROM read_parquet('${path}')`);
  for await (const chunk of result) {
    if (chunk.rowCount === 0) continue;
    const feeds: Record<string, Tensor> = {};
    for (const [i, name] of numbers.entries())
      feeds[name] = new Tensor('float64', Float64Array.from(chunk.getColumnValues(i) as number[]), [
        chunk.rowCount,
      ]);
    for (const [i, name] of texts.entries())
      feeds[name] = new Tensor('string', chunk.getColumnValues(numbers.length + i) as string[], [
        chunk.rowCount,
      ]);
    const began = performance.now();
    const answers = (await session.run(feeds))[output]!.data as Float32Array;
    answering += performance.now() - began;
    const written = DuckDBDataChunk.create([FLOAT]);
    written.setColumns([Array.from(answers)]);
    appender.appendDataChunk(written);
    rows += chunk.rowCount;
  }
  appender.closeSync();
  await db.run(
    `COPY (SELECT part.*, probability FROM read_parquet('${path}') part POSITIONAL JOIN answers) TO '${to}' (FORMAT parquet)`,
  );
}
console.log(JSON.stringify({ rows, answering: answering / 1_000 }));
