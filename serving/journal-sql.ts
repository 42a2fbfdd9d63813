/** A journal's lines as DuckDB reads them, and as columns of the Parquet that monitoring reads. */
import type { Datatype, TensorSpec } from '../contracts/serving.ts';
import { quoteIdentifier, quoteLiteral } from '../infra/duckdb.ts';
import type { JournalHeader } from './journal.ts';
import { headColumns } from './block-reader.ts';
import { isList, widthOf } from './block.ts';

export type Predictions = Extract<JournalHeader, { kind: 'predictions' }>;

const sqlTypes: Record<Datatype, string> = {
  FP64: 'DOUBLE',
  FP32: 'FLOAT',
  FP16: 'FLOAT',
  INT64: 'BIGINT',
  INT32: 'INTEGER',
  INT16: 'SMALLINT',
  INT8: 'TINYINT',
  UINT64: 'UBIGINT',
  UINT32: 'UINTEGER',
  UINT16: 'USMALLINT',
  UINT8: 'UTINYINT',
  BOOL: 'BOOLEAN',
  BYTES: 'VARCHAR',
};

/** Of `PredictionRow`, all but the two nested ones. */
const scalars = {
  id: 'VARCHAR',
  time: 'TIMESTAMP',
  loggedAt: 'TIMESTAMP',
  model: 'VARCHAR',
  version: 'INTEGER',
  digest: 'VARCHAR',
  route: 'VARCHAR',
  epoch: 'INTEGER',
  ms: 'DOUBLE',
  queueMs: 'DOUBLE',
  computeMs: 'DOUBLE',
};

export const labelColumns: Record<string, string> = { id: 'VARCHAR', label: 'VARCHAR', time: 'TIMESTAMP' };

export function predictionColumns({ inputs, outputs }: Predictions): Record<string, string> {
  return { ...scalars, inputs: struct(inputs), outputs: struct(outputs) };
}

/** For `read_json(columns = …)`. */
export function structOf(columns: Record<string, string>): string {
  return `{${Object.entries(columns)
    .map(([name, type]) => `${name}: ${quoteLiteral(type)}`)
    .join(', ')}}`;
}

export function selectOf(header: JournalHeader): string {
  if (header.kind === 'labels') return Object.keys(labelColumns).join(', ');
  const inputs = header.inputs.map(({ name, kind }) => {
    const value = `inputs.${quoteIdentifier(name)}`;
    return `${kind === 'timestamp' ? `epoch_ms(${value})` : value} AS ${quoteIdentifier(`in_${name}`)}`;
  });
  const outputs = header.outputs.map(
    ({ name }) => `outputs.${quoteIdentifier(name)} AS ${quoteIdentifier(`out_${name}`)}`,
  );
  return [...Object.keys(scalars).map((name) => scalarOf(name, header)), ...inputs, ...outputs].join(', ');
}

/** Of a table for `columnsOf` of `block-reader.ts`. */
export function blockTable({ inputs, outputs }: Predictions): string {
  const columns = (prefix: string, spec: TensorSpec): [string, string][] => {
    const width = widthOf(spec);
    if (width === undefined) return [[prefix + spec.name, typeOf(spec)]];
    return partsOf(prefix + spec.name, width).map((part) => [part, sqlTypes[spec.datatype]]);
  };
  const own = [
    ...inputs.flatMap((spec) => columns('in_', spec)),
    ...outputs.flatMap((spec) => columns('out_', spec)),
  ];
  return [...Object.entries(headColumns), ...own]
    .map(([name, type]) => `${quoteIdentifier(name)} ${type}`)
    .join(', ');
}

const partsOf = (name: string, width: number): string[] =>
  Array.from({ length: width }, (_, i) => `${name}/${i}`);

/** What is selected from that table. */
export function blockSelect({ model, version, digest, inputs, outputs }: Predictions): string {
  const moment = (name: string) => `make_timestamp((${name} * 1000)::BIGINT) AS ${name}`;
  const whole = (prefix: string, spec: TensorSpec) => {
    const column = quoteIdentifier(prefix + spec.name);
    const width = widthOf(spec);
    if (width !== undefined)
      return `list_value(${partsOf(prefix + spec.name, width)
        .map(quoteIdentifier)
        .join(', ')}) AS ${column}`;
    return spec.kind === 'timestamp' ? `epoch_ms(${column}) AS ${column}` : column;
  };
  return [
    ...['id', moment('time'), moment('loggedAt')],
    ...[`${quoteLiteral(model)} AS model`, `${version}::INTEGER AS version`],
    `${digest === undefined ? 'NULL::VARCHAR' : quoteLiteral(digest)} AS digest`,
    ...['route', 'epoch', 'ms', 'queueMs', 'computeMs'],
    ...inputs.map((spec) => whole('in_', spec)),
    ...outputs.map((spec) => whole('out_', spec)),
  ].join(', ');
}

/** What all rows of a file share is in its header; files of 0.3.0 and before have it in each row. */
function scalarOf(name: string, { model, version, digest }: Predictions): string {
  if (name === 'model') return `coalesce(model, ${quoteLiteral(model)}) AS model`;
  if (name === 'version') return `coalesce(version, ${version}) AS version`;
  if (name === 'digest' && digest !== undefined) return `coalesce(digest, ${quoteLiteral(digest)}) AS digest`;
  return name;
}

function struct(specs: readonly TensorSpec[]): string {
  const fields = specs.map((spec) => `${quoteIdentifier(spec.name)} ${typeOf(spec)}`);
  return `STRUCT(${fields.join(', ')})`;
}

const typeOf = (spec: TensorSpec): string => sqlTypes[spec.datatype] + (isList(spec) ? '[]' : '');
