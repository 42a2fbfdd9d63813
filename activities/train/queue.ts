/** Whether anybody serves a task queue. A run that waits for a machine must be able to say so. */
import { Context } from '@temporalio/activity';
import type { QueueActivities } from '../../contracts/activities.ts';

export interface QueueDeps {
  /** When each worker of the queue asked for work last. */
  pollers(queue: 'gpu'): Promise<Date[]>;
}

const lookMs = 2_000;
/** A worker that waits asks again every minute; the server remembers it for five. */
const aliveMs = 90_000;

export function createQueue({ pollers }: QueueDeps): QueueActivities {
  return {
    async awaitWorker({ queue, patienceMs }) {
      const context = Context.current();
      // Not this attempt's start: patience runs on while an attempt is lost.
      const since = context.info.scheduledTimestampMs;
      for (;;) {
        const served = (await pollers(queue)).some((at) => Date.now() - at.getTime() < aliveMs);
        const over = patienceMs !== null && Date.now() - since >= patienceMs;
        if (served || over) return { served, since: new Date(since).toISOString() };
        await context.sleep(lookMs);
      }
    },
  };
}
