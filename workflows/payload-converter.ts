/**
 * Reads what messages bear, and never throws: a signal that cannot be read would otherwise fail its workflow's
 * task, be tried again for ever, and block the model for everybody. Whoever may write to the namespace can send one.
 */
import { defaultPayloadConverter } from '@temporalio/common';
import type { Payload, PayloadConverter } from '@temporalio/common';

/** What stands for a payload that cannot be read; no schema of ours takes it. */
interface Unreadable {
  unreadable: string;
}

export const payloadConverter: PayloadConverter = {
  toPayload: (value) => defaultPayloadConverter.toPayload(value),
  fromPayload<T>(payload: Payload): T {
    try {
      return defaultPayloadConverter.fromPayload<T>(payload);
    } catch (error) {
      return { unreadable: String(error) } satisfies Unreadable as T;
    }
  },
};
