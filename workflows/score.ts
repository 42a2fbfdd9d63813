/**
 * Batch scoring: plan, then batches side by side, then the manifest.
 *
 * The history holds three numbers a batch; which parts there are, and which are done, is in the plan and in the output
 * place. So a run that is killed, reset or asked for once more goes on with the parts that are missing.
 */
import {
  CancellationScope,
  continueAsNew,
  defineQuery,
  log,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { ScoreOutcome, ScorePlanned, ScoreProgress, ScoreRequest } from '../contracts/score.ts';
import { afterwards, onScore } from './stages.ts';
import { count } from './text.ts';

export const scoreQuery = defineQuery<ScoreProgress>('score');

/** Carried across continue-as-new: the plan, the next batch, and what those before it gave. */
interface Carried {
  planned: ScorePlanned;
  next: number;
  rows: number;
  parts: number;
}

const eventsAtMost = 2_000;

export async function score(request: ScoreRequest, carried?: Carried): Promise<ScoreOutcome> {
  const progress = new Progress(request, carried);
  setHandler(scoreQuery, () => progress.view);
  let goesOn = false;
  try {
    const planned = carried?.planned ?? (await planOf(request));
    progress.plan(planned);
    const next = planned.outcome
      ? planned.batches
      : await scored(request, planned, carried?.next ?? 0, progress);
    if (next < planned.batches) {
      goesOn = true;
      const { rows, parts } = progress.view;
      return await continueAsNew<typeof score>(request, { planned, next, rows, parts });
    }
    progress.enter('closing');
    const outcome = planned.outcome ?? (await onScore.closeScore({ request, planned }));
    progress.end(outcome);
    return outcome;
  } finally {
    if (!goesOn) await tidied(request);
  }
}

function planOf(request: ScoreRequest): Promise<ScorePlanned> {
  const summary = request.input.length > 100 ? `…${request.input.slice(-100)}` : request.input;
  return onScore.planScore.executeWithOptions({ summary }, [request]);
}

/** @returns the batch to go on with: all are done, or the history is long enough */
async function scored(
  request: ScoreRequest,
  planned: ScorePlanned,
  first: number,
  progress: Progress,
): Promise<number> {
  let next = first;
  const full = () => workflowInfo().continueAsNewSuggested || workflowInfo().historyLength > eventsAtMost;
  progress.enter('scoring');
  const lane = async () => {
    while (next < planned.batches && !full()) {
      const batch = next++;
      const summary = `batch ${batch + 1} of ${planned.batches}`;
      const made = await onScore.scoreBatch.executeWithOptions({ summary }, [
        { request, plan: planned.plan, batch },
      ]);
      progress.add(made);
    }
  };
  // When one fails for good, the others are not left to work for nobody.
  const scope = new CancellationScope();
  let failure: unknown;
  await scope.run(() =>
    Promise.all(
      Array.from({ length: planned.parallel }, () =>
        lane().catch((error: unknown) => {
          failure ??= error;
          scope.cancel();
        }),
      ),
    ),
  );
  if (failure !== undefined) throw failure;
  return next;
}

/** What lies in the store while a run goes on. How the run ended is decided: a cancellation comes too late. */
async function tidied({ scoreId }: ScoreRequest): Promise<void> {
  try {
    await CancellationScope.nonCancellable(() => afterwards.tidyScore({ scoreId }));
  } catch (error) {
    log.warn('what the scoring kept in the store lies there still', { scoreId, error: String(error) });
  }
}

/** What people see: the query, and the details of the Web UI. */
class Progress {
  readonly view: ScoreProgress;

  constructor(request: ScoreRequest, carried: Carried | undefined) {
    const { rows = 0, parts = 0 } = carried ?? {};
    const { scoreId } = request;
    this.view = { scoreId, request, state: 'reading', rows, of: 0, parts, ofParts: 0 };
    this.#show();
  }

  enter(state: ScoreProgress['state']): void {
    this.view.state = state;
    this.#show();
  }

  plan({ rows, parts }: ScorePlanned): void {
    Object.assign(this.view, { of: rows, ofParts: parts });
  }

  add({ rows, parts }: { rows: number; parts: number }): void {
    this.view.rows += rows;
    this.view.parts += parts;
    this.#show();
  }

  end({ rows, parts }: ScoreOutcome): void {
    Object.assign(this.view, { rows, parts });
    this.enter('done');
  }

  #show(): void {
    const { request, state, rows, of, parts, ofParts } = this.view;
    setCurrentDetails(
      [
        `### ${request.model}/${request.version} over ${request.input}`,
        `**${state}**`,
        `${count(rows)} of ${count(of)} rows, ${count(parts)} of ${count(ofParts)} parts`,
        `into ${request.output}`,
      ].join('\n\n'),
    );
  }
}
