/** Raw rows as a package's scorer takes them. */
import type { Columns, Signature } from '../../contracts/serving.ts';
import { quoteIdentifier } from '../../infra/duckdb.ts';

export type RawRow = Record<string, string | number | boolean | null>;

/** The select list of a signature's inputs. */
export const rawInputSql = ({ inputs }: Signature): string =>
  inputs
    .map(({ name, kind }) => {
      const column = quoteIdentifier(name);
      return kind === 'timestamp' ? `epoch_ms(${column}) AS ${column}` : column;
    })
    .join(', ');

export const columnsOf = ({ inputs }: Signature, rows: readonly RawRow[]): Columns =>
  Object.fromEntries(inputs.map(({ name }) => [name, rows.map((row) => row[name] ?? null)]));
