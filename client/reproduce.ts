/** `esteira reproduce`: a version trained again from its records, and what is the same. */
import { z } from 'zod';
import { TrainingDetails } from '../contracts/experiment.ts';
import { Candidate, Prepared, stages } from '../contracts/lifecycle.ts';
import { PinnedProject } from '../contracts/project.ts';
import { taskQueues } from '../contracts/search.ts';
import { VersionRecord } from '../contracts/serving.ts';
import { readJson, readJsonBlob } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';
import type { reproduction, ReproductionPlan } from '../workflows/reproduction.ts';
import { NotFound } from './errors.ts';
import type { Esteira } from './index.ts';
import { seconds, table } from './output.ts';

export interface Reproduction {
  version: string;
  lifecycleId: string;
  identical: boolean;
  prepared: Compared;
  model: Compared;
  /** Those that differ, by name. */
  metrics: Record<string, { was: number; is: number; difference: number }>;
  seconds: { was: number; is: number };
}

interface Compared {
  was: string;
  is: string;
  identical: boolean;
}

/** @param name `flights/3`. @throws {NotFound} when there is no such version, or its records are gone */
export async function reproduce(esteira: Esteira, name: string): Promise<Reproduction> {
  const [, model, number] = /^([a-z][a-z0-9-]*)\/([1-9][0-9]*)$/.exec(name) ?? [];
  if (model === undefined) throw new NotFound(`"${name}" names no version; write flights/3`);
  const found = await readJson(esteira.store, `models/${model}/versions/${number}.json`, VersionRecord);
  if (!found)
    throw new NotFound(`${model} has no version ${number}; \`esteira show ${model}\` lists those it has`);
  const { lifecycleId } = found.value;
  const { plan, was } = await planOf(esteira.store, model, lifecycleId);
  const is = await esteira.client.workflow.execute<typeof reproduction>('reproduction', {
    workflowId: plan.prepare.lifecycleId,
    taskQueue: taskQueues.cpu,
    args: [plan],
    staticSummary: `${name} once more`,
  });
  const prepared = compared(was.prepared.manifest.sha256, is.prepared.manifest.sha256);
  const trained = compared(was.candidate.model.sha256, is.candidate.model.sha256);
  return {
    version: name,
    lifecycleId,
    identical: prepared.identical && trained.identical,
    ...{ prepared, model: trained },
    metrics: differing(was.candidate.metrics, is.candidate.metrics),
    seconds: { was: was.candidate.seconds, is: is.candidate.seconds },
  };
}

const compared = (was: string, is: string): Compared => ({ was, is, identical: was === is });

async function planOf(store: Store, model: string, lifecycleId: string) {
  const record = async <I extends z.ZodType, O extends z.ZodType>(stage: string, input: I, output: O) => {
    const schema = z.object({ input, output, details: z.unknown() });
    const found = await readJson(store, `runs/${lifecycleId}/${stage}/record.json`, schema);
    if (!found) throw new NotFound(`the store has no record of how ${lifecycleId} did ${stage}`);
    return found.value;
  };
  const prepare = await record('prepare', stages.prepare.input, Prepared);
  const train = await record('train', stages.train.input, Candidate);
  const { project } = await readJsonBlob(store, train.input.project, PinnedProject);
  const { data: details } = TrainingDetails.safeParse(train.details);
  const scratch = `reproduce/${model}/${Date.now()}`;
  const { reuse: _, prepared: __, ...input } = train.input;
  const parameters =
    project.search && details ? { ...details.parameters, seed: details.seed } : input.parameters;
  const { reuse: ___, ...prepared } = prepare.input;
  const plan: ReproductionPlan = {
    prepare: { ...prepared, lifecycleId: scratch },
    train: { ...input, lifecycleId: scratch, ...(parameters && { parameters }) },
    device: project.trainer.device,
  };
  return { plan, was: { prepared: prepare.output, candidate: train.output } };
}

function differing(was: Record<string, number>, is: Record<string, number>): Reproduction['metrics'] {
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])].toSorted();
  return Object.fromEntries(
    names
      .map((name) => [name, { was: was[name] ?? NaN, is: is[name] ?? NaN }] as const)
      .filter(([, { was, is }]) => was !== is)
      .map(([name, pair]) => [name, { ...pair, difference: pair.is - pair.was }]),
  );
}

export function reproductionText({
  version,
  lifecycleId,
  prepared,
  model,
  metrics,
  ...took
}: Reproduction): string {
  const row = (what: string, { was, is, identical }: Compared) => [
    what,
    identical ? 'identical' : 'differs',
    identical ? was.slice(0, 12) : `${was.slice(0, 12)} was, ${is.slice(0, 12)} is`,
  ];
  const numbers = Object.entries(metrics).map(([name, { was, is, difference }]) => [
    name,
    'differs',
    `${was} was, ${is} is: ${difference > 0 ? '+' : ''}${difference.toPrecision(3)}`,
  ]);
  return [
    `${version}, as ${lifecycleId} trained it in ${seconds(took.seconds.was)}; again in ${seconds(took.seconds.is)}`,
    table(['what', 'result', 'sha256'], [row('prepared data', prepared), row('model', model), ...numbers]),
  ].join('\n');
}
