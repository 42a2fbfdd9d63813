/** The end of an entity's run, after which it goes on as new; one place for all entities. */
import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import { parse } from '../contracts/failures.ts';
import type { Mutex } from './mutex.ts';

/** Who comes while a run ends is sent away, and asks the next one: those that wait would never be through otherwise. */
export function ending(mutex: Mutex, eventsAtMost: number) {
  const full = () => workflowInfo().continueAsNewSuggested || workflowInfo().historyLength >= eventsAtMost;
  return {
    full,
    valid: <T>(schema: Parameters<typeof parse>[0]) => ({
      validator: (value: T) => {
        parse(schema, value);
        if (full() && mutex.locked)
          throw ApplicationFailure.retryable('this run ends; ask again', 'ContinuesAsNew');
      },
    }),
  };
}
