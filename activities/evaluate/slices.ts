/** The same metrics for each value of the columns that the project asks about. */
import type { Scorecard } from '../../contracts/evaluation.ts';
import { judgeOf, subset } from './judge.ts';
import type { Predicted } from './judge.ts';

/** A column's texts, and for each row which of them it has. */
export interface SliceColumn {
  column: string;
  values: string[];
  index: Uint32Array;
}

/** Fewer rows say more about chance than about the model. */
const fewestRows = 30;
const mostValues = 20;

/** The most frequent values of each column, most frequent first. */
export function slicesOf(predicted: Predicted, columns: readonly SliceColumn[]): Scorecard['slices'] {
  return columns.flatMap(({ column, values, index }) => {
    const rows = rowsByValue(index, values.length);
    return values
      .map((value, i) => ({ value, rows: rows[i]! }))
      .filter(({ rows }) => rows.length >= fewestRows)
      .toSorted((a, b) => b.rows.length - a.rows.length || (a.value < b.value ? -1 : 1))
      .slice(0, mostValues)
      .map(({ value, rows }) => {
        const metrics = Object.entries(judgeOf(subset(predicted, rows)).metrics());
        const known = metrics.map(([name, number]) => [name, Number.isFinite(number) ? number : null]);
        const found = Object.fromEntries(known) as Record<string, number | null>;
        return { column, value, rows: rows.length, metrics: found };
      });
  });
}

function rowsByValue(index: Uint32Array, values: number): Uint32Array[] {
  const counts = new Uint32Array(values);
  for (const value of index) counts[value]!++;
  const rows = Array.from(counts, (count) => new Uint32Array(count));
  const filled = new Uint32Array(values);
  for (const [row, value] of index.entries()) rows[value]![filled[value]!++] = row;
  return rows;
}
