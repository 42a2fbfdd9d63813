/** What of a training is told to a tracking server, in its terms: pure, from the records of the store. */
import { z } from 'zod';
import type { Artifact } from '../../contracts/artifact.ts';
import { TrainingDetails } from '../../contracts/experiment.ts';
import type { Series, TrialRecord } from '../../contracts/experiment.ts';
import { Candidate, ScorecardSummary } from '../../contracts/lifecycle.ts';
import { flat } from '../../infra/flat.ts';
import type { Metric, RunStatus, Tags } from '../../infra/mlflow.ts';
import { StageRecord } from '../record.ts';

export const TrainRecord = StageRecord.extend({ output: Candidate });
export const EvaluateRecord = StageRecord.extend({ output: ScorecardSummary });
export const DeployRecord = StageRecord.extend({ output: z.object({ version: z.int() }) });
type TrainRecord = z.infer<typeof TrainRecord>;
type EvaluateRecord = z.infer<typeof EvaluateRecord>;

/** Longer ones are refused by the server. */
const most = { key: 250, param: 6_000, tag: 5_000 };

/** One run of the tracking server. */
export interface Facts {
  status: RunStatus;
  /** Milliseconds since 1970. */
  startedMs: number;
  endedMs: number;
  params: Tags;
  tags: Tags;
  /** The last word on each metric. */
  metrics: Metric[];
  series: Artifact | undefined;
  /** By their path among the run's artifacts. */
  artifacts: Record<string, Artifact>;
}

export function lifecycleFacts(train: TrainRecord, evaluate: EvaluateRecord | undefined): Facts {
  const details = TrainingDetails.safeParse(train.details).data;
  const endedMs = Date.parse(train.endedAt);
  const { model, metrics, steps } = train.output;
  const { prepared, project } = train.inputs;
  return {
    status: 'FINISHED',
    ...{ startedMs: Date.parse(train.startedAt), endedMs },
    params: paramsOf(details?.parameters ?? {}),
    tags: tagsOf({
      'esteira.digest.model': model.sha256,
      'esteira.digest.data': prepared?.sha256,
      'esteira.digest.project': project?.sha256,
      ...detailTags(details),
      'esteira.gates': evaluate && (evaluate.output.passed ? 'met' : 'missed'),
    }),
    metrics: [...finalMetrics(metrics, steps, endedMs), ...(evaluate ? holdoutMetrics(evaluate) : [])],
    series: details?.series,
    artifacts: {
      'model/model.onnx': model,
      ...(evaluate && { 'report.html': evaluate.output.report, 'scorecard.json': evaluate.output.scorecard }),
      ...(details && { 'trainer.log': details.log }),
    },
  };
}

export function trialFacts(record: TrialRecord): Facts {
  const endedMs = Date.parse(record.endedAt);
  const value: Record<string, number> = record.value === null ? {} : { search_value: record.value };
  return {
    status: record.state === 'failed' ? 'FAILED' : 'FINISHED',
    ...{ startedMs: Date.parse(record.startedAt), endedMs },
    params: paramsOf({ ...record.details?.parameters, ...record.parameters }),
    tags: tagsOf({
      'esteira.trial': String(record.trial),
      'esteira.state': record.state,
      'esteira.message': record.message,
      ...detailTags(record.details),
    }),
    metrics: [
      ...finalMetrics(record.metrics, record.step, endedMs),
      ...metricsAt(value, record.step, endedMs),
    ],
    series: record.details?.series,
    artifacts: record.details ? { 'trainer.log': record.details.log } : {},
  };
}

function detailTags(details: TrainingDetails | undefined): Record<string, string | undefined> {
  if (!details) return {};
  const { hardware, git } = details;
  return {
    'mlflow.source.git.commit': git.commit ?? undefined,
    'esteira.git.diff': git.diff?.sha256,
    'esteira.digest.data': details.data,
    'esteira.digest.project': details.project,
    'esteira.digest.code': details.code,
    'esteira.digest.environment': details.environment.digest,
    'esteira.backend': details.backend,
    'esteira.seed': String(details.seed),
    'esteira.device': hardware.device,
    'esteira.hardware': `${hardware.cores} × ${hardware.cpu}, ${hardware.platform}`,
    'esteira.seconds': String(details.seconds),
    'esteira.cost': details.cost === null ? undefined : String(details.cost),
    'esteira.stopped': details.stopped ?? undefined,
  };
}

/** Of the model that was kept, which need not be that of the last step: the series has the plain names. */
function finalMetrics(metrics: Record<string, number>, step: number, timestamp: number): Metric[] {
  const named = Object.entries(metrics).map(([name, value]) => [`final_${name}`, value] as const);
  return metricsAt(Object.fromEntries(named), step, timestamp);
}

/** Under a name of their own, for the trainer may report an `accuracy` of its validation rows. */
function holdoutMetrics({ output, endedAt }: EvaluateRecord): Metric[] {
  const known: Record<string, number> = {};
  for (const [name, { value, low, high }] of Object.entries(output.metrics)) {
    for (const [end, one] of Object.entries({ '': value, _low: low, _high: high })) {
      if (one !== null) known[`holdout_${name}${end}`] = one;
    }
  }
  return metricsAt(known, 0, Date.parse(endedAt));
}

function metricsAt(metrics: Record<string, number>, step: number, timestamp: number): Metric[] {
  return Object.entries(metrics)
    .filter(([, value]) => Number.isFinite(value))
    .map(([name, value]) => ({ key: cleanKey(name), value, step: Math.round(step), timestamp }));
}

/** By step, the last of equal steps. Its times follow from the record alone: told again, they are the same. */
export function seriesMetrics(series: Series, startedMs: number): Map<string, Metric[]> {
  const byKey = new Map<string, Metric[]>();
  for (const [name, { step, value, seconds }] of Object.entries(series)) {
    const key = cleanKey(name);
    const points = new Map<number, Metric>();
    for (const [i, at] of step.entries()) {
      const timestamp = Math.round(startedMs + (seconds[i] ?? 0) * 1_000);
      points.set(Math.round(at), { key, value: value[i]!, step: Math.round(at), timestamp });
    }
    byKey.set(
      key,
      [...points.values()].filter(({ value }) => Number.isFinite(value)),
    );
  }
  return byKey;
}

export function paramsOf(parameters: Record<string, unknown>): Tags {
  const named = Object.entries(flat(parameters)).map(([name, value]) => [
    cleanKey(name),
    String(value).slice(0, most.param),
  ]);
  return Object.fromEntries(named) as Tags;
}

export function tagsOf(tags: Record<string, string | undefined>): Tags {
  const known = Object.entries(tags).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return Object.fromEntries(known.map(([key, value]) => [key, value.slice(0, most.tag)]));
}

/** Letters, digits, and `_ - . / :` and spaces are what MLflow takes; no path that leads elsewhere. */
export function cleanKey(name: string): string {
  const clean = name.replaceAll(/[^A-Za-z0-9_\-. /:]/g, '_').replaceAll('..', '__');
  return clean.replace(/^\/+/, '').slice(0, most.key) || '_';
}
