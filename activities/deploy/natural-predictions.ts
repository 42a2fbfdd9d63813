/** What a version predicts in windows of its own data: predictions wander with what is asked, and that is no drift. */
import type { Summary, SummaryColumn } from '../../contracts/drift.ts';
import type { Columns, Signature } from '../../contracts/serving.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { classCounts, numberCounts } from '../evaluate/foresight.ts';
import { topClasses } from '../evaluate/multiclass.ts';
import { alone } from '../monitor/comparison/fast.ts';
import { columnsOf, rawInputSql } from './raw-columns.ts';
import type { RawRow } from './raw-columns.ts';

/** @returns the first output, row-major */
export type ScoreRows = (columns: Columns) => Promise<number[]>;

/** @param from what follows FROM, with a column `"window"`. @returns one summary a window */
export async function predictionsBy(
  db: DuckDb,
  from: string,
  { signature, like }: { signature: Signature; like: SummaryColumn },
  score: ScoreRows,
): Promise<Summary[]> {
  const rows = await db.rows<{ window: number } & RawRow>(
    `SELECT "window", ${rawInputSql(signature)} FROM ${from}`,
  );
  const outputs = Float32Array.from(await score(columnsOf(signature, rows)));
  const width = Math.max(1, outputs.length / rows.length);
  const summaries: Summary[] = [];
  for (const window of new Set(rows.map((row) => row.window))) {
    const own = rows.flatMap((row, i) => (row.window === window ? [i] : []));
    const values = Float32Array.from(own.flatMap((i) => [...outputs.subarray(i * width, (i + 1) * width)]));
    summaries.push(alone(await countsOf(db, { signature, like }, values), like.name));
  }
  return summaries;
}

async function countsOf(
  db: DuckDb,
  { signature, like }: { signature: Signature; like: SummaryColumn },
  values: Float32Array,
): Promise<SummaryColumn> {
  const { classes } = signature;
  if (like.kind !== 'category') return numberCounts(db, like.name, values, like);
  return classCounts(like.name, classes, topClasses(values, classes.length));
}
