/** Numbers as people read them in details and summaries. */

export function count(rows: number): string {
  return rows.toLocaleString('en-US');
}
