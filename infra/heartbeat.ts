/**
 * Heartbeats for every activity while its process lives: how a killed worker is noticed within
 * seconds, and how a cancellation arrives. The details that the activity reported last are kept;
 * this only repeats them.
 */
import type { Context } from '@temporalio/activity';
import type { ActivityInterceptors } from '@temporalio/worker';

/** A third of the 10 s heartbeat timeout, so that one lost beat does not kill an attempt. */
const beatMs = 3_000;

export function heartbeats(context: Context): ActivityInterceptors {
  const send = context.heartbeat.bind(context);
  let last: unknown;
  const remember = (details?: unknown): void => {
    last = details;
    send(details);
  };
  Object.defineProperty(context, 'heartbeat', { value: remember });
  return {
    inbound: {
      async execute(input, next) {
        const beats = setInterval(() => send(last), beatMs);
        try {
          return await next(input);
        } finally {
          clearInterval(beats);
        }
      },
    },
  };
}
