/**
 * One part through the model, into a file.
 *
 * A part's rows come into memory once; the model's columns stream from there, its answers are appended beside them, and
 * both are written as one file.
 */
import type { z } from 'zod';
import type { Signature } from '../../contracts/serving.ts';
import { quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import type { ColumnBatch, OpenModel } from '../../infra/onnx/session.ts';
import { inputSql } from '../evaluate/input-sql.ts';
import { firstLines } from '../ingest/csv.ts';
import type { ScoreChildRequest } from './child-protocol.ts';
import { outputColumns, typedSql, versionColumn } from './columns.ts';
import { marks } from './marks.ts';

type Request = z.infer<typeof ScoreChildRequest>;
type Part = Request['parts'][number];

/** The file is at fault, and will be at the next try. */
export class PartFault extends Error {
  override name = 'PartFault';
}

export class PartScorer {
  readonly #db: DuckDb;
  readonly #model: OpenModel;
  readonly #signature: Signature;
  readonly #request: Request;
  readonly #answered: (rows: number) => void;
  #rows = 0;

  constructor(
    db: DuckDb,
    { model, signature }: { model: OpenModel; signature: Signature },
    request: Request,
    answered: (rows: number) => void,
  ) {
    this.#db = db;
    this.#model = model;
    this.#signature = signature;
    this.#request = request;
    this.#answered = answered;
  }

  /** @throws PartFault */
  async score(part: Part): Promise<void> {
    await this.#db.run(`CREATE OR REPLACE TABLE part AS ${this.#rowsSql(part)}`).catch(atFault);
    const [counted] = await this.#db.rows<{ n: number }>('SELECT count(*) AS n FROM part');
    if (counted!.n !== part.rows) throw new PartFault('it has other rows than when the scoring began');
    await this.#write(part, await this.#answer());
  }

  #rowsSql({ path, range }: Part): string {
    const { keep } = this.#request;
    const inputs = this.#signature.inputs.map(({ name }) => name);
    const columns = keep ? [...new Set([...keep, ...inputs])].map(quoteIdentifier).join(', ') : '*';
    if (!range) return `SELECT ${columns} FROM read_parquet(${quoteLiteral(path)})`;
    const listed = keep ? columns : '* EXCLUDE (file_row_number)';
    return `SELECT ${listed} FROM read_parquet(${quoteLiteral(path)}, file_row_number = true)
      WHERE file_row_number >= ${range.from} AND file_row_number < ${range.until}`;
  }

  /** Fills the table `answers`, a row for each of `part`. @returns for how many rows there is no finite number */
  async #answer(): Promise<number> {
    const { outputs } = this.#signature;
    const { name, shape } = outputs[0]!;
    const width = shape.length === 1 ? 1 : shape[1]!;
    const columns = Array.from({ length: width }, (_, i) => `p${i} FLOAT`).join(', ');
    await this.#db.run(`CREATE OR REPLACE TABLE answers (${columns})`);
    const answers = await this.#db.appendFloats('answers');
    let without = 0;
    const typed = `(SELECT ${typedSql(this.#signature)} FROM part)`;
    for await (const chunk of this.#db.stream(`SELECT ${inputSql([this.#signature])} FROM ${typed}`)) {
      const values = (await this.#model.run(chunk.columns as ColumnBatch))[name]!;
      answers.append(values);
      without += unanswered(values, width);
      this.#rows += chunk.rows;
      this.#answered(this.#rows);
    }
    answers.close();
    return without;
  }

  async #write({ output }: Part, without: number): Promise<void> {
    const { keep, version, plan } = this.#request;
    const kept = keep ? keep.map((name) => `part.${quoteIdentifier(name)}`) : ['part.*'];
    const added = outputColumns(this.#signature).map(({ name, sql }) => `${sql} AS ${quoteIdentifier(name)}`);
    const list = [...kept, ...added, `CAST(${version} AS INTEGER) AS ${versionColumn}`].join(', ');
    await this.#db.run(
      `COPY (SELECT ${list} FROM part POSITIONAL JOIN answers) TO ${quoteLiteral(output)} (FORMAT parquet,
       COMPRESSION snappy, KV_METADATA {${marks.plan}: ${quoteLiteral(plan)}, ${marks.without}: '${without}'})`,
    );
  }
}

/** Not for what the machine lacks. */
function atFault(error: unknown): never {
  const message = error instanceof Error ? error.message : '';
  if (/^(Out of Memory|IO|Internal|INTERRUPT)/i.test(message)) throw error;
  throw new PartFault(firstLines(error), { cause: error });
}

function unanswered(values: Float32Array, width: number): number {
  let rows = 0;
  for (let at = 0; at < values.length; at += width) {
    let finite = true;
    for (let i = at; i < at + width; i++) finite &&= Number.isFinite(values[i]);
    if (!finite) rows++;
  }
  return rows;
}
