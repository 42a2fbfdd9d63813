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
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';
import { effectsOf } from '../monitor/effects.ts';
import { compareSummaries } from '../monitor/comparison/fast.ts';
import { summarise } from '../monitor/comparison/summarise.ts';
import type { Table, TableColumn } from '../monitor/comparison/table.ts';

/** Fewer windows do not tell what is usual. */
const windowsAtLeast = 6;
const windowsAtMost = 30;
/** Comparisons of a column with a window of it, for wide data. */
const comparisonsAtMost = 1_500;
/** As control charts have it, and NannyML. */
const deviations = 3;

export interface Sources {
  prepared: PreparedManifest;
  dataset: DatasetManifest;
  pinned: PinnedProject;
  foresight: Foresight;
  /** Files on this machine. */
  paths: { reference: string; dataset: readonly string[] };
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
  { dataset, pinned, paths }: Sources,
  columns: readonly TableColumn[],
  inputs: Summary,
): Promise<Watch['natural']> {
  const { every, minRows } = pinned.project.monitor;
  const many = Math.min(windowsAtMost, Math.floor(comparisonsAtMost / Math.max(1, columns.length)));
  if (many < windowsAtLeast) return { windows: 0, floors: {} };
  const window = `CAST(floor(epoch_ms(${quoteIdentifier(dataset.time)}) / ${durationMs(every)}) AS BIGINT) AS "window"`;
  const table = await tableOf(db, 'recent', parquet(paths.dataset), columns, [window]);
  const windows = await db.rows<{ window: number; rows: number }>(
    `SELECT "window", count(*) AS rows FROM recent GROUP BY ALL HAVING count(*) >= ${Math.max(1, minRows)}
      ORDER BY "window" DESC LIMIT ${many}`,
  );
  const found: Compared[][] = [];
  if (windows.length >= windowsAtLeast) {
    for (const { window: at, rows } of windows) {
      const from = `(SELECT * FROM ${table.from} WHERE "window" = ${at})`;
      const current = await summarise(db, { ...table, rows, from }, columns, inputs);
      found.push(columns.map(({ name }) => compareSummaries({ reference: inputs, current }, name)));
    }
  }
  await db.run('DROP TABLE recent');
  if (found.length === 0) return { windows: 0, floors: {} };
  const floors = columns.map(({ name }, i) => [name, usual(found.map((window) => window[i]!))] as const);
  return { windows: found.length, floors: Object.fromEntries(floors) };
}

/** Of each effect, what is beyond its mean by so many deviations. */
function usual(windows: readonly Compared[]): Effects {
  const effects = windows.map(effectsOf);
  const names = Object.keys(effects[0]!) as (keyof Effects)[];
  return Object.fromEntries(
    names.map((name) => {
      const values = effects.map((effect) => effect[name] ?? 0);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
      return [name, mean + deviations * Math.sqrt(variance)];
    }),
  );
}
