/** The project's checks on what the model was asked: the same rules as at training, as far as the inputs know of them. */
import type { DatasetManifest } from '../../contracts/dataset.ts';
import type { Window } from '../../contracts/artifact.ts';
import type { LiveCheck } from '../../contracts/monitor.ts';
import type { Check, Project } from '../../contracts/project.ts';
import type { Signature } from '../../contracts/serving.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteIdentifier } from '../../infra/duckdb.ts';
import { countingOf, judge } from '../validate/checks.ts';
import type { PredictionLog } from './log.ts';

type Column = DatasetManifest['columns'][number];

/**
 * Checks of rows alone: how many rows there are, how new, and whether keys repeat, is told of traffic elsewhere. A check that
 * reads a column which is no input (the label, say) is left out. The engine must be locked: a check may be SQL.
 *
 * @returns those that are broken
 */
export async function liveChecks(
  db: DuckDb,
  log: PredictionLog,
  window: Window,
  { signature, project, rows }: { signature: Signature; project: Project; rows: number },
): Promise<LiveCheck[]> {
  const columns = signature.inputs
    .filter(({ name }) => project.log.pii[name] === undefined)
    .map(({ name, datatype, kind }): Column => ({ name, type: typeOf(datatype, kind) }));
  const list = columns.map((column) => `${valueSql(column)} AS ${quoteIdentifier(column.name)}`);
  await db.run(
    `CREATE OR REPLACE VIEW dataset AS SELECT ${list.join(', ') || '1 AS nothing'} FROM predictions WHERE ${log.within(window)}`,
  );
  const manifest = { columns, rows, time: project.time, window };
  const checks: { check: Check; sql: string }[] = [];
  for (const check of project.checks) {
    const sql = await countable(db, check, manifest);
    if (sql !== undefined) checks.push({ check, sql });
  }
  if (checks.length === 0) return [];
  const selected = checks.map(({ sql }, i) => `${sql} AS c${i}`).join(', ');
  const [counts] = await db.rows<Record<string, number>>(`SELECT ${selected} FROM dataset`);
  return checks.flatMap(({ check }, i) => {
    const broken = judge(check, Number(counts![`c${i}`]), manifest);
    if (!broken) return [];
    const { check: name, severity, count, of, detail } = broken;
    return [{ check: name, severity, count, of, detail }];
  });
}

type Manifest = Parameters<typeof countingOf>[1];

async function countable(db: DuckDb, check: Check, manifest: Manifest): Promise<string | undefined> {
  if (check.check === 'row-count' || check.check === 'freshness' || check.check === 'unique')
    return undefined;
  if ('column' in check && !manifest.columns.some(({ name }) => name === check.column)) return undefined;
  const { sql } = countingOf(check, manifest);
  if (check.check !== 'sql') return sql;
  // Which columns a condition reads only the engine can say.
  return db.rows(`SELECT ${sql} FROM dataset LIMIT 0`).then(
    () => sql,
    () => undefined,
  );
}

function typeOf(datatype: Signature['inputs'][number]['datatype'], kind: string | undefined): Column['type'] {
  if (kind === 'timestamp') return 'timestamp';
  if (datatype === 'BYTES') return 'string';
  return datatype === 'BOOL' ? 'boolean' : 'number';
}

/** As the data has it that checks were written for: a missing text is null there, and so is NaN. */
function valueSql({ name, type }: Column): string {
  const column = quoteIdentifier(`in_${name}`);
  if (type === 'string') return `nullif(${column}, '')`;
  return type === 'number' ? `CASE WHEN NOT isnan(CAST(${column} AS DOUBLE)) THEN ${column} END` : column;
}
