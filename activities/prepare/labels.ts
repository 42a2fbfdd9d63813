/** Labels: which classes there are, in which order, and the number each row's label becomes. */
import { permanent } from '../../contracts/failures.ts';
import type { ColumnType } from '../../contracts/dataset.ts';
import type { Task } from '../../contracts/project.ts';
import { quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';

/** Class names are text; a number that is whole is written so (`1`, never `1.0`). Null where missing. */
export function labelTextSql(label: string, type: ColumnType): string {
  const column = quoteIdentifier(label);
  if (type !== 'number') return `nullif(CAST(${column} AS VARCHAR), '')`;
  const whole = `${column} = trunc(${column}) AND abs(${column}) < 1e15`;
  const text = `CASE WHEN ${whole} THEN CAST(CAST(${column} AS BIGINT) AS VARCHAR) ELSE CAST(${column} AS VARCHAR) END`;
  return `CASE WHEN isfinite(${column}) THEN ${text} END`;
}

/** A DOUBLE: the class index, or the value; null where the label is missing or no class. */
export function labelNumberSql(
  task: Task,
  label: string,
  type: ColumnType,
  classes: readonly string[],
): string {
  const column = quoteIdentifier(label);
  if (task === 'regression') {
    const value = `CAST(${column} AS DOUBLE)`;
    return `CASE WHEN isfinite(${value}) THEN ${value} END`;
  }
  const list = `[${classes.map((name) => quoteLiteral(name)).join(', ')}]`;
  return `CAST(nullif(list_position(${list}, ${labelTextSql(label, type)}), 0) - 1 AS DOUBLE)`;
}

/**
 * Numbers in order of size, all else as text; so `false` comes before `true`, and the positive class of a
 * binary label is the last.
 *
 * @throws `UntrainableData` when the labels are too few or too many to be what the task says
 */
export function orderedClasses(task: Task, found: readonly string[], rows: number): string[] {
  const numeric = found.every((name) => Number.isFinite(Number(name)));
  const classes = [...found].toSorted((a, b) => (numeric ? Number(a) - Number(b) : a < b ? -1 : 1));
  const [least, most] = task === 'binary-classification' ? [2, 2] : [2, 1_000];
  if (classes.length >= least && classes.length <= most) return classes;
  const shown = classes.slice(0, 5).join(', ');
  throw permanent('UntrainableData', `${task} with ${classes.length} classes of label (${shown})`, { rows });
}
