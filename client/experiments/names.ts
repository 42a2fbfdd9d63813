/** Values of runs by the names that people write: `param.lr`, `metric.roc_auc`, or a bare name. */
import { didYouMean } from '../../infra/nearest.ts';
import type { Run, Scalar } from './run.ts';

export type Value = (run: Run) => Scalar | undefined;

/** What every run has, whatever its trainer. */
const fields: Record<string, Value> = {
  run: ({ run }) => run,
  model: ({ model }) => model,
  number: ({ number }) => number,
  trial: ({ trial }) => trial ?? undefined,
  state: ({ state }) => state,
  started: ({ started }) => started,
  seconds: ({ seconds }) => seconds,
  steps: ({ steps }) => steps,
  cost: ({ cost }) => cost ?? undefined,
  backend: ({ backend }) => backend ?? undefined,
  device: ({ device }) => device ?? undefined,
  seed: ({ seed }) => seed ?? undefined,
  gates: ({ gates }) => gates ?? undefined,
  commit: ({ commit }) => commit ?? undefined,
  changed: ({ changed }) => changed,
  artifact: ({ digests }) => digests.artifact,
  data: ({ digests }) => digests.data,
  project: ({ digests }) => digests.project,
  code: ({ digests }) => digests.code,
  environment: ({ digests }) => digests.environment,
};
export const fieldNames = Object.keys(fields);

export interface Names {
  parameters: string[];
  metrics: string[];
}

/** Names of parameters and of metrics that any of the runs has, sorted. */
export function namesIn(runs: readonly Run[]): Names {
  const parameters = new Set<string>();
  const metrics = new Set<string>();
  for (const run of runs) {
    for (const name in run.parameters) parameters.add(name);
    for (const name in run.metrics) metrics.add(name);
  }
  return { parameters: [...parameters].toSorted(), metrics: [...metrics].toSorted() };
}

export const parameter =
  (name: string): Value =>
  ({ parameters }) =>
    parameters[name];
export const metric =
  (name: string): Value =>
  ({ metrics }) =>
    metrics[name];

/** The field's value. */
export const field = (name: keyof typeof fields): Value => fields[name]!;

/** A bare name is a field's, else a metric's, else a parameter's. @throws Error when no run has that name, or two things do */
export function valueOf(name: string, { parameters, metrics }: Names): Value {
  const [, kind, rest] = /^(param|metric)\.(.+)$/.exec(name) ?? [];
  if (kind === 'param' && parameters.includes(rest!)) return parameter(rest!);
  if (kind === 'metric' && metrics.includes(rest!)) return metric(rest!);
  if (kind === undefined) {
    const known = fields[name];
    if (known) return known;
    if (metrics.includes(name) && parameters.includes(name)) {
      throw new Error(`${name} is a metric and a parameter; write metric.${name} or param.${name}`);
    }
    if (metrics.includes(name)) return metric(name);
    if (parameters.includes(name)) return parameter(name);
  }
  if (parameters.length + metrics.length === 0) return () => undefined;
  const known = kind
    ? (kind === 'param' ? parameters : metrics).map((each) => `${kind}.${each}`)
    : [...fieldNames, ...metrics, ...parameters];
  throw new Error(`no run has ${name}${didYouMean(name, known)}; known: ${shortened(known)}`);
}

function shortened(names: readonly string[]): string {
  const most = 30;
  const more = names.length > most ? `, and ${names.length - most} more` : '';
  return `${names.slice(0, most).join(', ') || 'none'}${more}`;
}
