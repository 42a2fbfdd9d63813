/**
 * What an activity gives back to Temporal must be small: rows and files belong in the store.
 *
 * The server takes 2 MB. The SDK fails what is larger as if another try could mend it, and so the same work would be
 * done for ever (`TMPRL1103`). Far below that, this says by name what is wrong, and for good. A long error message is
 * cut, for the same reason.
 */
import type { Context } from '@temporalio/activity';
import { ApplicationFailure, defaultPayloadConverter, TemporalFailure } from '@temporalio/common';
import type { ActivityInterceptors } from '@temporalio/worker';
import { permanent } from '../contracts/failures.ts';

/** Ten times what the demo's largest result has. */
export const resultBytesAtMost = 256 * 1_024;
const messageAtMost = 8_000;
/** A failure carries its causes along, and theirs. */
const causesAtMost = 4;

export function payloadBounds({ info }: Context): ActivityInterceptors {
  return {
    inbound: {
      async execute(input, next) {
        let result: unknown;
        try {
          result = await next(input);
        } catch (error) {
          throw shortened(error);
        }
        const bytes = bytesOf(result);
        if (bytes <= resultBytesAtMost) return result;
        const message = `${info.activityType} gives back ${bytes} bytes; ${resultBytesAtMost} are the most, larger things go to the store`;
        throw permanent('ResultTooLarge', message, { activity: info.activityType, bytes });
      },
    },
  };
}

/** As it will travel: JSON, but bytes as they are. @throws Error for what cannot travel, such as a BigInt */
function bytesOf(value: unknown): number {
  return defaultPayloadConverter.toPayload(value).data?.byteLength ?? 0;
}

/** The very error, but for what is too long of it: its kind decides on retries. */
function shortened(error: unknown, causes = 0): unknown {
  if (typeof error === 'string') return cut(error, messageAtMost);
  if (!(error instanceof Error)) return error;
  const { message } = error;
  const brief = cut(message, messageAtMost);
  // The stack begins with the message. `set` because a DOMException's cannot be changed; nor is it ever long.
  const stack = error.stack?.replace(message, () => brief);
  if (brief !== message) Reflect.set(error, 'message', brief);
  Reflect.set(error, 'stack', stack && cut(stack, 2 * messageAtMost));
  if (error instanceof ApplicationFailure && !areShort(error.details)) {
    Reflect.set(error, 'details', ['too long to carry']);
  }
  if (error.cause !== undefined) {
    Reflect.set(error, 'cause', causes < causesAtMost ? shortened(error.cause, causes + 1) : undefined);
  }
  // One that came from the server would be sent on as it came, uncut.
  if (error instanceof TemporalFailure && brief !== message) Reflect.set(error, 'failure', undefined);
  return error;
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

/** What cannot be written cannot be carried either. */
function areShort(details: unknown[] | null | undefined): boolean {
  try {
    return bytesOf(details ?? []) <= messageAtMost;
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}
