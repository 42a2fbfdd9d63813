/** Follows a run until it is over, says how it ended, and sets the exit code; Ctrl-C leaves the run going. */
import { WorkflowFailedError } from '@temporalio/client';
import { CancelledFailure, TerminatedFailure } from '@temporalio/common';
import { rootFailure } from '../contracts/failures.ts';
import { follow, mannerOf } from './follow.ts';
import type { Esteira } from './index.ts';
import { codeOf, sentence } from './outcome.ts';
import { exitCodes, say } from './output.ts';

/** @throws Error in one sentence when the run failed or was cancelled */
export async function followToEnd(esteira: Esteira, lifecycleId: string, json: boolean): Promise<void> {
  const interruption = new AbortController();
  const onInterrupt = (): void => {
    if (interruption.signal.aborted) process.exit(exitCodes.interrupted);
    interruption.abort();
  };
  process.on('SIGINT', onInterrupt).on('SIGTERM', onInterrupt);
  try {
    const last = await follow(esteira, lifecycleId, mannerOf(json), interruption.signal);
    if (last?.closed) return await ended(esteira, lifecycleId, json);
    const hint = `\`esteira watch ${lifecycleId}\` shows it again, \`esteira cancel ${lifecycleId}\` stops it`;
    say(json, { lifecycleId, interrupted: true }, `${lifecycleId} goes on without you; ${hint}`);
    process.exitCode = exitCodes.interrupted;
  } finally {
    process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
  }
}

async function ended(esteira: Esteira, lifecycleId: string, json: boolean): Promise<void> {
  try {
    const outcome = await esteira.outcome(lifecycleId);
    const reports =
      'scorecard' in outcome
        ? { report: await esteira.report(outcome.scorecard.report, lifecycleId.slice('lifecycle/'.length)) }
        : {};
    const text = [sentence(lifecycleId, outcome), ...Object.values(reports).map((path) => `Report: ${path}`)];
    say(json, { lifecycleId, outcome, ...reports }, text.join('\n'));
    process.exitCode = codeOf(outcome.status);
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    throw new Error(`${lifecycleId} ${howFailed(error.cause)}`, { cause: error });
  }
}

function howFailed(cause: unknown): string {
  if (cause instanceof CancelledFailure) return 'was cancelled';
  if (cause instanceof TerminatedFailure) return `was terminated: ${cause.message}`;
  const failure = rootFailure(cause);
  return `failed: ${failure ? `${failure.type}: ${failure.message}` : String(cause)}`;
}
