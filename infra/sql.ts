/** Quoting for DuckDB: every name and text from outside passes through here, or through a parameter. */

/** A column or table name as SQL takes it, whatever it holds. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text as a SQL literal. DuckDB's plain literals know no escapes but the doubled quote. */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
