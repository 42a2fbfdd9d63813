/** One run with everything its records say. */
import { z } from 'zod';
import { Series, TrialRecord } from '../../contracts/experiment.ts';
import type { TrainingDetails } from '../../contracts/experiment.ts';
import { failedWith } from '../../contracts/failures.ts';
import { readJson, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { NotFound } from '../errors.ts';
import { detailsOf, EvaluateRecord, runOf, TrainRecord, trialRunOf } from './run.ts';
import type { Run } from './run.ts';

export interface WholeRun {
  run: Run;
  details: TrainingDetails | undefined;
  /** A lifecycle's; absent for a trial. */
  train?: TrainRecord;
  evaluate?: EvaluateRecord;
  /** The version it became. */
  version?: number;
  /** A trial's; absent for a lifecycle. */
  trial?: TrialRecord;
}

const DeployRecord = z.object({ output: z.object({ version: z.int() }) });

export interface RunName {
  model: string;
  number: number;
  trial: number | undefined;
}

/** `flights/3` or `flights/3/17`, with or without `lifecycle/` before it. @throws NotFound for anything else */
export function runName(text: string): RunName {
  const match = /^(?:lifecycle\/)?([a-z][a-z0-9-]{0,62})\/([1-9][0-9]{0,8})(?:\/([0-9]{1,6}))?$/.exec(text);
  if (!match)
    throw new NotFound(`"${text}" names no run; write flights/3, or flights/3/17 for a trial of its search`);
  const [, model, number, trial] = match;
  return { model: model!, number: Number(number), trial: trial === undefined ? undefined : Number(trial) };
}

/** @throws NotFound */
export async function readRun(store: Store, text: string): Promise<WholeRun> {
  const { model, number, trial } = runName(text);
  const base = `runs/lifecycle/${model}/${number}`;
  if (trial !== undefined) {
    const record = await readJson(store, `${base}/search/${trial}/record.json`, TrialRecord);
    if (record) return { run: trialRunOf(record.value), details: record.value.details, trial: record.value };
    throw new NotFound(
      `${text} is not in ${store.uri}; \`esteira runs ls ${model} --trials\` lists those that are`,
    );
  }
  const [train, evaluate, deploy] = await Promise.all([
    readJson(store, `${base}/train/record.json`, TrainRecord),
    readJson(store, `${base}/evaluate/record.json`, EvaluateRecord),
    readJson(store, `${base}/deploy/record.json`, DeployRecord),
  ]);
  if (!train) {
    throw new NotFound(
      `${text} has not trained, or is not in ${store.uri}; \`esteira runs ls\` lists those that have`,
    );
  }
  return {
    run: runOf(train.value, evaluate?.value),
    details: detailsOf(train.value.details),
    train: train.value,
    ...(evaluate && { evaluate: evaluate.value }),
    ...(deploy && { version: deploy.value.output.version }),
  };
}

/** Metrics by step; empty for a run that recorded none, or whose are gone. */
export async function readSeries(store: Store, { details }: WholeRun): Promise<Series> {
  return (details && (await readJsonBlob(store, details.series, Series).catch(unlessGone))) ?? {};
}

/** For `.catch`: what was deleted, or is of another release, must not hide what is there. */
export function unlessGone(error: unknown): undefined {
  if (failedWith(error, 'NotFound') || failedWith(error, 'InvalidInput')) return undefined;
  throw error;
}
