/** One line of the list of runs: what a training was given, and what came of it, flat enough to sort and to filter. */
import { z } from 'zod';
import { Artifact, Instant, LifecycleId } from '../../contracts/artifact.ts';
import { TrainingDetails } from '../../contracts/experiment.ts';
import type { TrialRecord } from '../../contracts/experiment.ts';
import { Candidate, ScorecardSummary } from '../../contracts/lifecycle.ts';
import { flat } from '../../infra/flat.ts';
import type { Scalar } from '../../infra/flat.ts';

export type { Scalar } from '../../infra/flat.ts';

/** What `client/experiments` needs of a stage's record. */
const common = { lifecycleId: LifecycleId, startedAt: Instant, endedAt: Instant, seconds: z.number() };
export const TrainRecord = z.object({
  ...common,
  inputs: z.record(z.string(), Artifact),
  output: Candidate,
  details: z.record(z.string(), z.unknown()),
});
export type TrainRecord = z.infer<typeof TrainRecord>;
export const EvaluateRecord = z.object({ ...common, output: ScorecardSummary });
export type EvaluateRecord = z.infer<typeof EvaluateRecord>;

export interface Run {
  /** `flights/3`, or `flights/3/17` for a trial of its search. */
  run: string;
  lifecycleId: string;
  model: string;
  number: number;
  trial: number | null;
  state: TrialRecord['state'];
  started: string;
  seconds: number;
  steps: number;
  cost: number | null;
  /** Null in records before 0.3.0, as are all other fields of the details. */
  backend: string | null;
  device: string | null;
  seed: number | null;
  /** Null before evaluate has judged, and for trials. */
  gates: 'met' | 'missed' | null;
  commit: string | null;
  /** Whether the project differed from that commit. */
  changed: boolean;
  /** Digests by what they are of. */
  digests: Partial<Record<'artifact' | 'data' | 'project' | 'code' | 'environment', string>>;
  parameters: Record<string, Scalar>;
  metrics: Record<string, number>;
}

/** Undefined for records that were written before there were details. */
export const detailsOf = (details: unknown): TrainingDetails | undefined =>
  TrainingDetails.safeParse(details).data;

/** The holdout's metrics go before the trainer's own of the same name. */
export function runOf(train: TrainRecord, evaluate: EvaluateRecord | undefined): Run {
  const details = detailsOf(train.details);
  const { prepared, project } = train.inputs;
  const known = fromDetails(details);
  return {
    ...place(train.lifecycleId),
    trial: null,
    state: details?.stopped ? 'stopped' : 'done',
    ...{ started: train.startedAt, seconds: train.output.seconds, steps: train.output.steps },
    ...known,
    gates: evaluate ? (evaluate.output.passed ? 'met' : 'missed') : null,
    digests: {
      artifact: train.output.model.sha256,
      ...(prepared && { data: prepared.sha256 }),
      ...(project && { project: project.sha256 }),
      ...known.digests,
    },
    metrics: { ...train.output.metrics, ...valuesOf(evaluate) },
  };
}

export function trialRunOf(record: TrialRecord): Run {
  const known = fromDetails(record.details);
  const { run, ...rest } = place(record.lifecycleId);
  return {
    ...rest,
    ...{ run: `${run}/${record.trial}`, trial: record.trial, state: record.state },
    ...{ started: record.startedAt, seconds: record.seconds, steps: record.step },
    ...known,
    gates: null,
    parameters: { ...known.parameters, ...flat(record.parameters) },
    metrics: { ...record.metrics, ...(record.value === null ? {} : { search_value: record.value }) },
  };
}

/** `lifecycle/flights/3` → `flights/3`, flights, 3 */
function place(lifecycleId: string) {
  const [, model, number] = lifecycleId.split('/') as [string, string, string];
  return { run: `${model}/${number}`, lifecycleId, model, number: Number(number) };
}

function fromDetails(details: TrainingDetails | undefined) {
  return {
    cost: details?.cost ?? null,
    backend: details?.backend ?? null,
    device: details?.hardware.device ?? null,
    seed: details?.seed ?? null,
    commit: details?.git.commit ?? null,
    changed: details?.git.diff !== undefined,
    digests: details
      ? {
          data: details.data,
          project: details.project,
          code: details.code,
          environment: details.environment.digest,
        }
      : {},
    parameters: flat(details?.parameters ?? {}),
  };
}

function valuesOf(evaluate: EvaluateRecord | undefined): Record<string, number> {
  const values = Object.entries(evaluate?.output.metrics ?? {}).flatMap(([name, { value }]) =>
    value === null ? [] : [[name, value] as const],
  );
  return Object.fromEntries(values);
}
