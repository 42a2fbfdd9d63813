/**
 * What a version takes of the files that are scored: which columns, of which kind, and how a file that has them
 * otherwise is told so, in one sentence with the place.
 */
import { permanent } from '../../contracts/failures.ts';
import type { ScoreRequest } from '../../contracts/score.ts';
import type { Signature, TensorSpec } from '../../contracts/serving.ts';
import { quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';

export interface FileColumn {
  name: string;
  /** As DuckDB calls it. */
  type: string;
}

type Kind = 'number' | 'text' | 'boolean' | 'timestamp';

/** In sentences, and the SQL type that a value is given to the model as. */
const kinds = {
  number: { words: 'numbers', sql: 'DOUBLE' },
  text: { words: 'text', sql: 'VARCHAR' },
  boolean: { words: 'true or false', sql: 'BOOLEAN' },
  timestamp: { words: 'timestamps', sql: 'TIMESTAMP' },
} as const satisfies Record<Kind, { words: string; sql: string }>;

const patterns: [RegExp, Kind][] = [
  [/^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL.*)$/, 'number'],
  [/^(VARCHAR|UUID|ENUM.*)$/, 'text'],
  [/^BOOLEAN$/, 'boolean'],
  [/^(DATE|TIMESTAMP.*)$/, 'timestamp'],
];

function kindOf({ datatype }: TensorSpec): Kind {
  if (datatype === 'BYTES') return 'text';
  if (datatype === 'BOOL') return 'boolean';
  return datatype === 'INT64' ? 'timestamp' : 'number';
}

/** @throws `MissingColumn`, `BadRows` for a column of another kind, `InvalidInput` for names that clash */
export function refuseColumns(
  file: string,
  columns: readonly FileColumn[],
  signature: Signature,
  { keep }: Pick<ScoreRequest, 'keep'>,
): void {
  const names = columns.map(({ name }) => name);
  const wanted = [...signature.inputs.map(({ name }) => name), ...(keep ?? [])];
  const missing = wanted.find((name) => !names.includes(name));
  if (missing !== undefined) {
    const whose = keep?.includes(missing) ? 'which is to be kept' : 'which the model takes';
    const message = `${file} has no column ${missing}, ${whose}; it has ${names.join(', ').slice(0, 1_000)}`;
    throw permanent('MissingColumn', message, { column: missing, columns: names.slice(0, 1_000) });
  }
  for (const spec of signature.inputs) {
    const { type } = columns.find(({ name }) => name === spec.name)!;
    const kind = kindOf(spec);
    if (patterns.find(([pattern]) => pattern.test(type))?.[1] === kind) continue;
    const message = `column ${spec.name} of ${file} is ${type.slice(0, 100)}; the model takes ${kinds[kind].words} there`;
    throw permanent('BadRows', message, { file, row: 0, column: spec.name });
  }
  const added = [...outputColumns(signature).map(({ name }) => name), versionColumn];
  const clash = (keep ?? names).find((name) => added.includes(name));
  if (clash === undefined) return;
  const message = `${file} has a column ${clash}, which scoring adds; name the columns to keep without it: --keep ${names
    .filter((name) => !added.includes(name))
    .slice(0, 3)
    .join(',')}`;
  throw permanent('InvalidInput', message, { issues: [`keep: ${clash}`] });
}

/** The version that made a row's prediction. */
export const versionColumn = 'model_version';

/** What the model adds to a row. Of class probabilities the most probable class, too, for that is what most ask for. */
export function outputColumns({
  outputs,
  classes,
}: Signature): { name: string; type: string; sql: string }[] {
  const { name, shape } = outputs[0]!;
  if (shape.length === 1) return [{ name, type: 'FLOAT', sql: 'p0' }];
  const all = classes.map((_, i) => `p${i}`);
  const list = `[${all.join(', ')}]`;
  const labels = `[${classes.map(quoteLiteral).join(', ')}]`;
  const best = `${labels}[list_position(${list}, greatest(${all.join(', ')}))]`;
  const unless = all.map((column) => `${column} IS NULL`).join(' OR ');
  return [
    { name, type: 'FLOAT[]', sql: `CASE WHEN NOT (${unless}) THEN ${list} END` },
    { name: 'class', type: 'VARCHAR', sql: `CASE WHEN NOT (${unless}) THEN ${best} END` },
  ];
}

/** The model's columns in the types that it takes them in, nulls as they are. */
export function typedSql(signature: Signature): string {
  return signature.inputs
    .map((spec) => {
      const column = quoteIdentifier(spec.name);
      return `CAST(${column} AS ${kinds[kindOf(spec)].sql}) AS ${column}`;
    })
    .join(', ');
}

/** A CSV or JSON file's columns as they are staged: the model's from text to what it takes, the others as they were read. */
export function stagedSql(columns: readonly FileColumn[], signature: Signature): string {
  return columns
    .map(({ name }) => {
      const column = quoteIdentifier(name);
      const spec = signature.inputs.find((one) => one.name === name);
      return spec ? `TRY_CAST(${column} AS ${kinds[kindOf(spec)].sql}) AS ${column}` : column;
    })
    .join(', ');
}

/** Per model column that text may not fit: the first row, from 1, that does not. */
export function misfitSql(signature: Signature, source: string): string | undefined {
  const checked = signature.inputs.filter((spec) => kindOf(spec) !== 'text');
  if (checked.length === 0) return undefined;
  const firsts = checked.map((spec) => {
    const column = quoteIdentifier(spec.name);
    const misfit = `${column} IS NOT NULL AND TRY_CAST(${column} AS ${kinds[kindOf(spec)].sql}) IS NULL`;
    return `min(CASE WHEN ${misfit} THEN "row number" END) AS ${column}`;
  });
  return `SELECT ${firsts.join(', ')} FROM (SELECT *, row_number() OVER () AS "row number" FROM ${source})`;
}

/** The earliest of what `misfitSql` found; the value itself is left out, for Temporal keeps what it is told. */
export function refuseMisfit(file: string, signature: Signature, found: Record<string, number | null>): void {
  const [first] = Object.entries(found)
    .filter((one): one is [string, number] => one[1] !== null)
    .toSorted(([, a], [, b]) => a - b);
  if (!first) return;
  const [column, row] = first;
  const kind = kindOf(signature.inputs.find(({ name }) => name === column)!);
  const message = `row ${row} of ${file} has in column ${column} what is none of the ${kinds[kind].words} that the model takes there`;
  throw permanent('BadRows', message, { file, row, column });
}
