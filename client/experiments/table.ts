/** The list of runs as people read it: what was asked about, how good it is, and what it was given. */
import { seconds, table } from '../output.ts';
import { metric, namesIn, parameter, valueOf } from './names.ts';
import type { Names, Value } from './names.ts';
import type { Run, Scalar } from './run.ts';

/** More would not fit into a terminal. */
const metricsAtMost = 4;
const parametersAtMost = 4;

/** What a reader looks for first, in this order; then what the trainer reports. */
export const knownMetrics = [
  ...['search_value', 'roc_auc', 'macro_f1', 'rmse', 'accuracy', 'log_loss', 'r2', 'mae', 'pr_auc', 'f1'],
  ...['validation_loss', 'train_loss'],
];

/** @param asked names in `--sort` and `--where`: their values are shown */
export function runsTable(runs: readonly Run[], asked: readonly string[], names = namesIn(runs)): string {
  const always: [string, (run: Run) => string][] = [
    ['run', ({ run }) => run],
    ['state', ({ state, gates }) => (gates ? `${state}, gates ${gates}` : state)],
    ['started (UTC)', ({ started }) => started.slice(0, 16).replace('T', ' ')],
    ['took', (run) => seconds(run.seconds)],
  ];
  const shown = always.map(([heading]) => heading.split(' ')[0]!);
  const columns = columnsFor(
    runs,
    asked.filter((name) => !shown.includes(name) && name !== 'seconds'),
    names,
  );
  const rows = runs.map((run) => [
    ...always.map(([, cell]) => cell(run)),
    ...columns.map(([, value]) => scalarText(value(run))),
  ]);
  return table([...always.map(([heading]) => heading), ...columns.map(([heading]) => heading)], rows);
}

function columnsFor(runs: readonly Run[], asked: readonly string[], names: Names): [string, Value][] {
  const { parameters, metrics } = namesIn(runs);
  const columns = new Map<string, Value>();
  for (const name of asked) columns.set(name.replace(/^(param|metric)\./, ''), valueOf(name, names));
  const best = byFame(metrics).filter((name) => !columns.has(name));
  for (const name of best.slice(0, metricsAtMost)) columns.set(name, metric(name));
  const varied = parameters.filter((name) => varies(runs, parameter(name)) && !columns.has(name));
  for (const name of varied.slice(0, parametersAtMost)) columns.set(name, parameter(name));
  return [...columns];
}

export function byFame(metrics: readonly string[]): string[] {
  const rank = (name: string) => knownMetrics.indexOf(name) + 1 || knownMetrics.length + 1;
  return metrics.toSorted((a, b) => rank(a) - rank(b));
}

export function varies(runs: readonly Run[], value: Value): boolean {
  return new Set(runs.map(value)).size > 1;
}

/** Numbers to four significant digits, digests to twelve signs, a dash for nothing. */
export function scalarText(value: Scalar | undefined): string {
  if (value === undefined) return '–';
  if (typeof value === 'string') return /^[0-9a-f]{40,64}$/.test(value) ? value.slice(0, 12) : value;
  return typeof value === 'number' ? numberText(value) : String(value);
}

export function numberText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  if (value !== 0 && Math.abs(value) < 1e-4) return value.toExponential(2).replace(/\.?0+e/, 'e');
  return String(Number(value.toPrecision(4)));
}
