/** What a version predicts in windows of its own data: predictions wander with what is asked, and that is no drift. */
import type { Summary, SummaryColumn } from '../../contracts/drift.ts';
import type { Columns, Signature } from '../../contracts/serving.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteIdentifier } from '../../infra/duckdb.ts';
import { classCounts, numberCounts } from '../evaluate/foresight.ts';
import { topClasses } from '../evaluate/multiclass.ts';

/** @returns the first output, row-major */
export type ScoreRows = (columns: Columns) => Promise<number[]>;

/** @param from what follows FROM, with a column `"window"`. @returns one summary a window */
export async function predictionsBy(
  db: DuckDb,
  from: string,
  { signature, like }: { signature: Signature; like: SummaryColumn },
  score: ScoreRows,
): Promise<Summary[]> {
  const list = signature.inputs.map((spec) => {
    const column = quoteIdentifier(spec.name);
    return spec.kind === 'timestamp' ? `epoch_ms(${column}) AS ${column}` : column;
  });
  const rows = await db.rows<{ window: number } & Record<string, string | number | boolean | null>>(
    `SELECT "window", ${list.join(', ')} FROM ${from}`,
  );
  const columns = Object.fromEntries(
    signature.inputs.map(({ name }) => [name, rows.map((row) => row[name] ?? null)]),
  );
  const outputs = Float32Array.from(await score(columns));
  const width = Math.max(1, outputs.length / rows.length);
  const summaries: Summary[] = [];
  for (const window of new Set(rows.map((row) => row.window))) {
    const own = rows.flatMap((row, i) => (row.window === window ? [i] : []));
    const values = Float32Array.from(own.flatMap((i) => [...outputs.subarray(i * width, (i + 1) * width)]));
    summaries.push(await summaryOf(db, { signature, like }, values));
  }
  return summaries;
}

async function summaryOf(
  db: DuckDb,
  { signature, like }: { signature: Signature; like: SummaryColumn },
  values: Float32Array,
): Promise<Summary> {
  const { classes } = signature;
  const { name } = like;
  const column =
    like.kind === 'category'
      ? classCounts(name, classes, topClasses(values, classes.length))
      : await numberCounts(db, name, values, like);
  return { summary: 'esteira/1', source: name, rows: column.rows, columns: [column], skipped: [] };
}
