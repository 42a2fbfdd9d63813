/**
 * `Watch`: the reference that monitoring compares windows with, and how far windows of the version's own data lie from it.
 *
 * Rows of one day are alike, and Mondays are no Sundays: so a test that takes rows for draws finds every window strange.
 * What the version's own windows show is no alarm.
 */
import type { DatasetManifest } from '../../contracts/dataset.ts';
import type { Compared, Summary } from '../../contracts/drift.ts';
import type { PreparedManifest } from '../../contracts/prepared.ts';
import type { PinnedProject } from '../../contracts/project.ts';
import type { Signature } from '../../contracts/serving.ts';
import type { Effects, Foresight, Watch } from '../../contracts/watch.ts';
import { durationMs } from '../../contracts/artifact.ts';
import { failedWith } from '../../contracts/failures.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';
import { predictionsBy } from './natural-predictions.ts';
import type { ScoreRows } from './natural-predictions.ts';
import { usualOf } from '../monitor/effects.ts';
import { compareSummaries } from '../monitor/comparison/fast.ts';
import { summarise } from '../monitor/comparison/summarise.ts';
import type { Table, TableColumn } from '../monitor/comparison/table.ts';

/** Fewer windows do not tell what is usual. */
const windowsAtLeast = 6;
const windowsAtMost = 30;
/** Comparisons of a column with a window of it, for wide data. */
const comparisonsAtMost = 1_500;

export interface Sources {
  prepared: PreparedManifest;
  dataset: DatasetManifest;
  pinned: PinnedProject;
  foresight: Foresight;
  /** Files on this machine. */
  paths: { reference: string; dataset: readonly string[] };
  score: ScoreRows;
}

export async function watchOf(db: DuckDb, sources: Sources): Promise<Watch> {
  const { prepared, pinned, foresight, paths } = sources;
  const { project } = pinned;
  const columns = watchedColumns(prepared.signature, project.log.pii);
  const table = await tableOf(db, 'reference', parquet([paths.reference]), columns);
  const inputs = await summarise(db, table, columns);
  await db.run('DROP TABLE reference');
  return {
    watch: 'esteira/1',
    ...foresight,
    inputs: { ...inputs, source: 'reference' },
    natural: await naturalOf(db, sources, columns, inputs),
  };
}

/** Time moves on by itself, and what is not written down as it is cannot be compared. */
export function watchedColumns({ inputs }: Signature, pii: Record<string, unknown>): TableColumn[] {
  return inputs.flatMap(({ name, datatype, kind }) => {
    if (kind === 'timestamp' || pii[name] !== undefined) return [];
    return [{ name, kind: datatype === 'BYTES' || datatype === 'BOOL' ? 'category' : 'number' }];
  });
}

const parquet = (paths: readonly string[]): string => `read_parquet([${paths.map(quoteLiteral).join(', ')}])`;

/** Rows as they are scanned again and again, column by column. @param from what follows FROM */
export async function tableOf(
  db: DuckDb,
  name: string,
  from: string,
  columns: readonly TableColumn[],
  more: readonly string[] = [],
): Promise<Table> {
  const list = [...columns.map((column) => valueSql(column)), ...more];
  await db.run(`CREATE TABLE ${name} AS SELECT ${list.join(', ') || '1 AS nothing'} FROM ${from}`);
  const [counted] = await db.rows<{ n: number }>(`SELECT count(*) AS n FROM ${name}`);
  return {
    ...{ path: name, rows: counted!.n, columns: [...columns], skipped: [] },
    from: `(SELECT *, rowid AS file_row_number FROM ${name})`,
  };
}

/** As the prediction log has them: a missing text is empty, a missing number NaN or null. */
function valueSql({ name, kind }: TableColumn): string {
  const column = quoteIdentifier(name);
  const value = kind === 'number' ? `CAST(${column} AS DOUBLE)` : `nullif(CAST(${column} AS VARCHAR), '')`;
  return `${value} AS ${column}`;
}

async function naturalOf(
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
  const from = `(SELECT *, ${window} FROM ${parquet(paths.dataset)})`;
  const windows = await db.rows<{ window: number; rows: number }>(
    `SELECT "window", count(*) AS rows FROM ${from} GROUP BY ALL HAVING count(*) >= ${Math.max(1, minRows)}
      ORDER BY "window" DESC LIMIT ${many}`,
  );
  if (windows.length < windowsAtLeast) return { windows: 0, floors: {} };
  const floors = [
    ...(await inputFloors(db, from, windows, columns, { inputs, share })),
    // Nobody has asked it of these rows before: what it fails on is for its own gates to say.
    ...(await predictionFloors(db, from, windows, sources).catch(unlessRefused)),
  ];
  return { windows: windows.length, floors: Object.fromEntries(floors) };
}

interface Found {
  window: number;
  rows: number;
}

async function inputFloors(
  db: DuckDb,
  from: string,
  windows: readonly Found[],
  columns: readonly TableColumn[],
  { inputs, share }: { inputs: Summary; share: number },
): Promise<[string, Effects][]> {
  const table = await tableOf(db, 'recent', from, columns, ['"window"']);
  const found: Compared[][] = [];
  for (const { window, rows } of windows) {
    const own = `(SELECT * FROM ${table.from} WHERE "window" = ${window})`;
    const current = await summarise(db, { ...table, rows, from: own }, columns, inputs);
    found.push(columns.map(({ name }) => compareSummaries({ reference: inputs, current }, name)));
  }
  await db.run('DROP TABLE recent');
  return columns.map(({ name }, i) => [
    name,
    usualOf(
      found.map((compared) => compared[i]!),
      share,
    ),
  ]);
}

async function predictionFloors(
  db: DuckDb,
  from: string,
  windows: readonly Found[],
  { prepared, pinned, foresight, score }: Sources,
): Promise<[string, Effects][]> {
  const { prediction: like } = foresight;
  const { signature } = prepared;
  const numbers = windows.map(({ window }) => window);
  const predicted = await predictionsBy(db, from, numbers, { signature, like }, score);
  const reference = { ...predicted[0]!, rows: like.rows, columns: [like] };
  const found = predicted.map((current) => compareSummaries({ reference, current }, like.name));
  return [[like.name, usualOf(found, pinned.project.monitor.alpha)]];
}

function unlessRefused(error: unknown): [] {
  if (failedWith(error, 'ModelRefused')) return [];
  throw error;
}
