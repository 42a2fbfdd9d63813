/** Lineage around activities: wiring that both workers share. */
import type { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import type { Lineage } from '../activities/lineage/index.ts';

const told = new Set([
  ...[
    'ingest',
    'validate',
    'prepare',
    'train',
    'trial',
    'chooseTrial',
    'evaluate',
    'recordApproval',
    'deploy',
  ],
  ...['monitor', 'retrain'],
]);

/** @returns outermost, so that what it hears is what Temporal hears */
export function lineageInterceptor(lineage: Lineage): ActivityInterceptorsFactory {
  return (context: Context) => ({
    inbound: {
      async execute(input, next) {
        const { activityType: type, workflowExecution } = context.info;
        if (!told.has(type)) return next(input);
        const attempt = { type, input: input.args[0], runId: workflowExecution?.runId ?? '' };
        lineage.began(attempt);
        try {
          const output = await next(input);
          lineage.ended(attempt, { output }, true);
          return output;
        } catch (error) {
          const cancelled = error instanceof CancelledFailure;
          const message = error instanceof Error ? error.message : String(error);
          lineage.ended(attempt, { error: message, cancelled }, isFinal(context, error));
          throw error;
        }
      },
    },
  });
}

/** A worker that is stopped cancels its activities too; another one goes on with them. */
function isFinal({ info, cancellationDetails }: Context, error: unknown): boolean {
  if (error instanceof CancelledFailure) return cancellationDetails?.cancelRequested ?? false;
  if (error instanceof ApplicationFailure && error.nonRetryable === true) return true;
  const most = info.retryPolicy?.maximumAttempts ?? 0;
  return most > 0 && info.attempt >= most;
}
