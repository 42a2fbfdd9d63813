/** Every run one row, for a spreadsheet or a data frame. */
import { field, fieldNames, metric, namesIn, parameter } from './names.ts';
import type { Value } from './names.ts';
import type { Run, Scalar } from './run.ts';

/** RFC 4180 with a heading; columns `param.…` and `metric.…` for every name that any run has. */
export function runsCsv(runs: readonly Run[]): string {
  const { parameters, metrics } = namesIn(runs);
  const columns: [string, Value][] = [
    ...fieldNames.map((name): [string, Value] => [name, field(name)]),
    ...parameters.map((name): [string, Value] => [`param.${name}`, parameter(name)]),
    ...metrics.map((name): [string, Value] => [`metric.${name}`, metric(name)]),
  ];
  const lines = runs.map((run) => columns.map(([, value]) => cell(value(run))).join(','));
  return `${[columns.map(([name]) => cell(name)).join(','), ...lines].join('\r\n')}\r\n`;
}

/**
 * A text that a spreadsheet would take for a formula gets an apostrophe before it, for parameters come from others.
 *
 * @see OWASP, "CSV Injection"
 */
function cell(value: Scalar | undefined): string {
  if (value === undefined) return '';
  if (typeof value !== 'string') return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
