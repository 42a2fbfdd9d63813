/** Search: a trial is a training with parameters of the search's choice; the best one becomes the stage's output. */
import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { SearchActivities, TrialInput, TrialSummary } from '../../../contracts/activities.ts';
import { Candidate, stages } from '../../../contracts/lifecycle.ts';
import type { Input } from '../../../contracts/lifecycle.ts';
import { TrialRecord } from '../../../contracts/experiment.ts';
import { parse, permanent } from '../../../contracts/failures.ts';
import { PinnedProject } from '../../../contracts/project.ts';
import type { Search } from '../../../contracts/training.ts';
import { failpoint } from '../../../infra/failpoint.ts';
import { createJson, readJson, readJsonBlob } from '../../../infra/store/json.ts';
import type { Store } from '../../../infra/store/store.ts';
import { takeLease } from '../../lease.ts';
import type { Lease } from '../../lease.ts';
import { recorded } from '../../record.ts';
import { attempt } from '../attempt.ts';
import type { TrainDeps } from '../attempt.ts';
import { random } from '../random.ts';
import { withWorkFolder } from '../../work-folder.ts';
import { halvingJudge } from './halving.ts';
import { Results } from './results.ts';
import { gridPoint, randomPoint } from './space.ts';
import type { Point } from './space.ts';
import { tpePoint } from './tpe.ts';

const TrialOrder = stages.train.input.extend({ trial: z.int().positive() });
const Choice = stages.train.input.extend({ trials: z.int().positive() });
const Suggestion = z.object({ parameters: z.record(z.string(), z.unknown()) });

export function createSearch(deps: TrainDeps): SearchActivities {
  const results = new Results(deps.store);
  return {
    trial: (unparsed) => trialOnce(deps, results, parse(TrialOrder, unparsed)),
    chooseTrial: (unparsed) => {
      const { trials } = parse(Choice, unparsed);
      return recorded(deps.store, 'train', unparsed, async (input) => {
        const best = await bestOf(deps.store, results, input, trials);
        const { model, metrics, step, seconds, details } = best;
        return {
          output: parse(Candidate, { model, metrics, steps: step, seconds }),
          inputs: { project: input.project, prepared: input.prepared.manifest },
          details: { ...details, trial: best.trial },
        };
      });
    },
  };
}

const trialFolder = (lifecycleId: string, trial: number) => `runs/${lifecycleId}/search/${trial}`;
const recordKey = (lifecycleId: string, trial: number) => `${trialFolder(lifecycleId, trial)}/record.json`;

async function trialOnce(deps: TrainDeps, results: Results, order: TrialInput): Promise<TrialSummary> {
  const search = await searchOf(deps.store, order);
  const record = (await recordOf(deps.store, order)) ?? (await triedNow(deps, results, search, order));
  await failpoint('train:tried');
  // Also for a record that was there: the attempt that made it may have died before this.
  await results.add(order.lifecycleId, record);
  return summaryOf(search, record);
}

async function recordOf(
  store: Store,
  { lifecycleId, trial }: Pick<TrialInput, 'lifecycleId' | 'trial'>,
): Promise<TrialRecord | undefined> {
  return (await readJson(store, recordKey(lifecycleId, trial), TrialRecord))?.value;
}

async function triedNow(
  deps: TrainDeps,
  results: Results,
  search: Search,
  order: TrialInput,
): Promise<TrialRecord> {
  const { lifecycleId, trial } = order;
  const lease = await takeLease(deps.store, lifecycleId, `search/${trial}`);
  const parameters = await suggested(deps.store, results, search, order);
  await failpoint('train:suggested');
  const record = await tried(deps, search, order, parameters, lease);
  if (await createJson(deps.store, recordKey(lifecycleId, trial), record)) return record;
  return (await recordOf(deps.store, order))!; // of two attempts that both came to an end, the first is the trial
}

async function searchOf(store: Store, { project }: Input<'train'>): Promise<Search> {
  const { search } = (await readJsonBlob(store, project, PinnedProject)).project;
  if (search) return search;
  throw permanent('InvalidInput', 'the project has no search', { issues: ['search'] });
}

/** What an attempt before chose stands: a retry must not try something else under the same number. */
async function suggested(store: Store, results: Results, search: Search, order: TrialInput): Promise<Point> {
  const key = `${trialFolder(order.lifecycleId, order.trial)}/suggestion.json`;
  const found = await readJson(store, key, Suggestion);
  if (found) return found.value.parameters;
  const parameters = await chosen(results, search, order);
  if (await createJson(store, key, { parameters })) return parameters;
  return (await readJson(store, key, Suggestion))!.value.parameters;
}

async function chosen(results: Results, search: Search, { lifecycleId, trial }: TrialInput): Promise<Point> {
  const next = random(search.seed, trial);
  if (search.method === 'grid') return gridPoint(search.space, trial - 1);
  if (search.method === 'random') return randomPoint(search.space, next);
  const lossOf = lossIn(search);
  const tried = (await results.of(lifecycleId)).flatMap(({ parameters, value }) =>
    value === null ? [] : [{ parameters, loss: lossOf(value) }],
  );
  return tpePoint(search.space, tried, next);
}

const lossIn =
  ({ goal }: Search) =>
  (value: number) =>
    goal === 'minimize' ? value : -value;

/** A trial that fails for good is a result, too: the search learns to keep away, and goes on. */
async function tried(
  deps: TrainDeps,
  search: Search,
  { lifecycleId, trial, project, prepared }: TrialInput,
  parameters: Point,
  lease: Lease,
): Promise<TrialRecord> {
  const startedAt = new Date();
  const judge = halvingJudge(deps.store, `runs/${lifecycleId}/search`, trial, search, lossIn(search));
  const order = {
    ...{ lifecycleId, project, parameters },
    place: `search/${trial}` as const,
    prepared: prepared.manifest,
    ...(judge && { judge }),
  };
  const common = (endedAt = new Date()) => ({
    ...{ trial, lifecycleId, parameters },
    seconds: (endedAt.getTime() - startedAt.getTime()) / 1_000,
    startedAt: startedAt.toISOString(),
    endedAt: endedAt.toISOString(),
  });
  try {
    const { model, metrics, steps, details } = await withWorkFolder(deps.workDir, 'trial', (folder) =>
      attempt(folder, deps, order, lease),
    );
    const stopped = details.stopped !== null && details.stopped !== 'budget';
    const value = metrics[search.metric] ?? null;
    const state = stopped || !model ? 'stopped' : 'done';
    const message = value === null ? `the trainer never said ${search.metric}` : details.stopped;
    return {
      ...common(),
      ...{ state, value, metrics, step: steps, details },
      ...(model && { model }),
      ...(message !== null && { message }),
    };
  } catch (error) {
    if (!(error instanceof ApplicationFailure) || !error.nonRetryable) throw error;
    const message = `${error.type}: ${error.message}`.slice(0, 4_000);
    return { ...common(), state: 'failed', value: null, metrics: {}, step: 0, message };
  }
}

function summaryOf(search: Search, { trial, state, value }: TrialRecord): TrialSummary {
  return { trial, state, value, loss: state === 'done' && value !== null ? lossIn(search)(value) : null };
}

async function bestOf(
  store: Store,
  results: Results,
  input: Input<'train'>,
  trials: number,
): Promise<TrialRecord> {
  const lossOf = lossIn(await searchOf(store, input));
  const all = await results.of(input.lifecycleId);
  const [best] = all
    .filter((one) => one.state === 'done' && one.value !== null)
    .toSorted((a, b) => lossOf(a.value!) - lossOf(b.value!) || a.trial - b.trial);
  if (best) return (await recordOf(store, { lifecycleId: input.lifecycleId, trial: best.trial }))!;
  const failed = all.find((one) => one.message !== undefined);
  const sentence = `none of ${all.length} trials (of ${trials}) has a model with a value`;
  throw permanent(
    'TrainerFailed',
    failed ? `${sentence}; trial ${failed.trial}: ${failed.message}` : sentence,
    {
      exitCode: null,
    },
  );
}
