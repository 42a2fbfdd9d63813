/** Raw columns as a packaged model takes them: no nulls, for each datatype has a value that stands for one. */
import type { Signature, TensorSpec } from '../../contracts/serving.ts';
import { quoteIdentifier } from '../../infra/duckdb.ts';

/** @returns the select list of all that any of the signatures needs */
export function inputSql(signatures: readonly Signature[]): string {
  const inputs = new Map(
    signatures.flatMap(({ inputs }) => inputs.map((spec) => [spec.name, spec] as const)),
  );
  return [...inputs.values()].map((spec) => `${valueSql(spec)} AS ${quoteIdentifier(spec.name)}`).join(', ');
}

function valueSql({ name, datatype }: TensorSpec): string {
  const column = quoteIdentifier(name);
  switch (datatype) {
    case 'BYTES':
      return `coalesce(${column}, '')`;
    case 'BOOL':
      return `coalesce(${column}, false)`;
    case 'INT64':
      return `coalesce(epoch_ms(${column}), CAST('-9223372036854775808' AS BIGINT))`;
    default:
      return `coalesce(CAST(${column} AS DOUBLE), CAST('nan' AS DOUBLE))`;
  }
}
