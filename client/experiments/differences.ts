/** What differs between runs: only that is worth a line. */
import { table } from '../output.ts';
import { field, metric, namesIn, parameter } from './names.ts';
import type { Value } from './names.ts';
import type { Run, Scalar } from './run.ts';
import { byFame, scalarText, varies } from './table.ts';

/** More runs than this stand below each other, not beside. */
const besideAtMost = 5;

export interface Difference {
  name: string;
  kind: 'parameter' | 'metric' | 'digest' | 'other';
  value: Value;
}

export function differences(runs: readonly Run[]): Difference[] {
  const { parameters, metrics } = namesIn(runs);
  const of = (kind: Difference['kind'], names: readonly string[], value: (name: string) => Value) =>
    names.map((name): Difference => ({ name, kind, value: value(name) }));
  return [
    ...of('parameter', parameters, parameter),
    ...of('metric', byFame(metrics), metric),
    ...of(
      'other',
      ['backend', 'device', 'seed', 'state', 'seconds', 'cost', 'gates', 'commit', 'changed'],
      field,
    ),
    ...of('digest', ['artifact', 'data', 'project', 'code', 'environment'], field),
  ].filter(({ value }) => varies(runs, value));
}

export function differencesTable(runs: readonly Run[]): string {
  const found = differences(runs);
  if (found.length === 0) return `Nothing that is recorded differs between these ${runs.length} runs.`;
  if (runs.length > besideAtMost) {
    const rows = runs.map((run) => [run.run, ...found.map(({ value }) => scalarText(value(run)))]);
    return table(['run', ...found.map(({ name }) => name)], rows);
  }
  const rows = found.map(({ name, kind, value }) => [
    kind === 'other' ? '' : kind,
    name,
    ...runs.map((run) => scalarText(value(run))),
  ]);
  return table(['', 'differs', ...runs.map(({ run }) => run)], rows);
}

/** What all of them share, for the page: one line each instead of a column. */
export function sharedValues(runs: readonly Run[]): [name: string, value: Scalar][] {
  const { parameters } = namesIn(runs);
  const [first] = runs;
  if (!first) return [];
  const fields: [string, Value][] = [
    'model',
    'backend',
    'device',
    'commit',
    'data',
    'project',
    'code',
    'environment',
  ].map((name) => [name, field(name)]);
  const all = [...fields, ...parameters.map((name): [string, Value] => [name, parameter(name)])];
  return all.flatMap(([name, value]) => {
    const shared = value(first);
    return shared === undefined || varies(runs, value) ? [] : [[name, shared] as [string, Scalar]];
  });
}
