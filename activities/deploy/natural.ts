/**
 * How far windows of a version's own data lie from its reference, when nothing was wrong.
 *
 * Rows of one day are alike, and Mondays are no Sundays: so a test that takes rows for draws finds every window strange.
 * What the version's own windows show is no alarm.
 */
import type { Compared, Summary } from '../../contracts/drift.ts';
import type { Effects, Watch } from '../../contracts/watch.ts';
import { durationMs } from '../../contracts/artifact.ts';
import { failedWith } from '../../contracts/failures.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';
import { alone, compareSummaries } from '../monitor/comparison/fast.ts';
import { summarise } from '../monitor/comparison/summarise.ts';
import { tableOf } from '../monitor/comparison/table-of.ts';
import type { TableColumn } from '../monitor/comparison/table.ts';
import { usualOf } from '../monitor/effects.ts';
import { predictionsBy } from './natural-predictions.ts';
import type { Sources } from './watch.ts';

/** Fewer windows do not tell what is usual. */
const windowsAtLeast = 6;
const windowsAtMost = 30;
/** Comparisons of a column with a window of it, for wide data. */
const comparisonsAtMost = 1_500;
/** Of a window: more tell its distribution no better than it differs from others. Predictions cost more. */
const rowsAtMost = { inputs: 20_000, predictions: 500 };
/** Of all that is predicted, rows times inputs, for it is asked in one breath; but no window of fewer rows tells anything. */
const predictions = { valuesAtMost: 1_000_000, rowsAtLeast: 50 };

export async function naturalOf(
  db: DuckDb,
  sources: Sources,
  columns: readonly TableColumn[],
  inputs: Summary,
): Promise<Watch['natural']> {
  const { dataset, pinned, paths } = sources;
  const { every, minRows, alpha } = pinned.project.monitor;
  // Any of them may be the one that raises an alarm.
  const share = alpha / Math.max(1, columns.length);
  const many = Math.min(windowsAtMost, Math.floor(comparisonsAtMost / Math.max(1, columns.length)));
  const window = `CAST(floor(epoch_ms(${quoteIdentifier(dataset.time)}) / ${durationMs(every)}) AS BIGINT) AS "window"`;
  const from = `(SELECT *, ${window} FROM read_parquet([${paths.dataset.map(quoteLiteral).join(', ')}], file_row_number = true))`;
  const windows = await db.rows<Found>(
    `SELECT "window", count(*) AS rows FROM ${from} GROUP BY ALL HAVING count(*) >= ${Math.max(1, minRows)}
      ORDER BY "window" DESC LIMIT ${many}`,
  );
  if (windows.length < windowsAtLeast) return { windows: 0, floors: {} };
  const inputCount = sources.prepared.signature.inputs.length;
  const affordable = Math.floor(predictions.valuesAtMost / (windows.length * inputCount));
  const asked = Math.min(rowsAtMost.predictions, Math.max(predictions.rowsAtLeast, affordable));
  const floors = [
    ...(await inputFloors(db, evenly(from, windows, rowsAtMost.inputs), columns, { inputs, share })),
    // Nobody has asked it of these rows before: what it fails on is for its own gates to say.
    ...(await predictionFloors(db, evenly(from, windows, asked), sources).catch(unlessRefused)),
  ];
  return { windows: windows.length, floors: Object.fromEntries(floors) };
}

interface Found {
  window: number;
  rows: number;
}

/** What follows FROM, for about so many rows of each window, from all of it. */
function evenly(from: string, windows: readonly Found[], most: number): string {
  const steps = windows.map(({ window, rows }) => `(${window}, ${Math.max(1, Math.floor(rows / most))})`);
  return `(SELECT * EXCLUDE (step) FROM ${from} JOIN (VALUES ${steps.join(', ')}) AS wanted("window", step)
    USING ("window") WHERE file_row_number % step = 0)`;
}

async function inputFloors(
  db: DuckDb,
  from: string,
  columns: readonly TableColumn[],
  { inputs, share }: { inputs: Summary; share: number },
): Promise<[string, Effects][]> {
  const table = await tableOf(db, 'recent', from, columns, ['"window"']);
  const windows = await db.rows<Found>('SELECT "window", count(*) AS rows FROM recent GROUP BY ALL');
  const found: Compared[][] = [];
  for (const { window, rows } of windows) {
    const own = `(SELECT * FROM ${table.from} WHERE "window" = ${window})`;
    const current = await summarise(db, { ...table, rows, from: own }, columns, inputs);
    found.push(columns.map(({ name }) => compareSummaries({ reference: inputs, current }, name)));
  }
  await db.run('DROP TABLE recent');
  const of = (i: number) => found.map((compared) => compared[i]!);
  return columns.map(({ name }, i) => [name, usualOf(of(i), share)]);
}

async function predictionFloors(
  db: DuckDb,
  from: string,
  { prepared, pinned, foresight, score }: Sources,
): Promise<[string, Effects][]> {
  const { prediction: like } = foresight;
  const { signature } = prepared;
  const predicted = await predictionsBy(db, from, { signature, like }, score);
  const reference = alone(like, 'holdout');
  const found = predicted.map((current) => compareSummaries({ reference, current }, like.name));
  return [[like.name, usualOf(found, pinned.project.monitor.alpha)]];
}

function unlessRefused(error: unknown): [] {
  if (failedWith(error, 'ModelRefused')) return [];
  throw error;
}
