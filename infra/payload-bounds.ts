/**
 * What an activity gives back to Temporal must be small: rows and files belong in the store.
 *
 * The server takes 2 MB. The SDK fails what is larger as if another try could mend it, and so the same work would be
 * done for ever (`TMPRL1103`). Far below that, this says by name what is wrong, and for good. A long error message is
 * cut, for the same reason.
 */
import type { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInterceptors } from '@temporalio/worker';
import { permanent } from '../contracts/failures.ts';

/** Ten times what the demo's largest result has. */
export const resultBytesAtMost = 256 * 1_024;
const messageAtMost = 8_000;

export function payloadBounds({ info }: Context): ActivityInterceptors {
  return {
    inbound: {
      async execute(input, next) {
        let result: unknown;
        try {
          result = await next(input);
        } catch (error) {
          throw error instanceof Error ? shortened(error) : error;
        }
        const bytes = Buffer.byteLength(JSON.stringify(result) ?? '');
        if (bytes <= resultBytesAtMost) return result;
        const message = `${info.activityType} gives back ${bytes} bytes; ${resultBytesAtMost} are the most, larger things go to the store`;
        throw permanent('ResultTooLarge', message, { activity: info.activityType, bytes });
      },
    },
  };
}

/** The very error, but for what is too long of it: its kind decides on retries. */
function shortened(error: Error): Error {
  if (error.message.length > messageAtMost) error.message = `${error.message.slice(0, messageAtMost)}…`;
  if (error.stack && error.stack.length > 2 * messageAtMost)
    error.stack = error.stack.slice(0, 2 * messageAtMost);
  if (error instanceof ApplicationFailure && JSON.stringify(error.details ?? []).length > messageAtMost) {
    return ApplicationFailure.create({
      ...{ message: error.message, nonRetryable: error.nonRetryable === true, type: error.type ?? 'Error' },
      details: ['too long to carry'],
    });
  }
  return error;
}
