/**
 * Makes the ticks of a stretch of the past anew, some at once. Twice is the same as once: a tick follows from the log, the
 * labels and the rules alone. It tells nobody and retrains nothing: what is over is no news.
 */
import {
  continueAsNew,
  defineQuery,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type { BackfillPlan, BackfillProgress } from '../contracts/backfill.ts';
import { onTick } from './stages.ts';

export const backfillQuery = defineQuery<BackfillProgress>('backfill');

/** Some five events each: far from the 4,096 after which the server would have a run go on as new. */
const windowsAtOnce = 400;

export async function backfill(plan: BackfillPlan): Promise<BackfillProgress> {
  const { model, window, everyMs, parallel, before = { done: 0, changed: 0 } } = plan;
  upsertSearchAttributes({ EsteiraModel: [model], EsteiraStage: ['monitor'], EsteiraState: ['running'] });
  const [from, until] = [Date.parse(window.from), Date.parse(window.until)];
  const progress = { ...before, of: before.done + Math.ceil((until - from) / everyMs) };
  setHandler(backfillQuery, () => progress);
  const end = Math.min(until, from + windowsAtOnce * everyMs);
  let next = from;
  const work = async () => {
    while (next < end) {
      const own = { from: iso(next), until: iso(next + everyMs) };
      next += everyMs;
      const { changed } = await onTick.monitor.executeWithOptions({ summary: own.from.slice(0, 16) }, [
        { model, window: own, again: true },
      ]);
      progress.done++;
      if (changed) progress.changed++;
      setCurrentDetails(
        `### ${model}: ${progress.done} of ${progress.of} windows, ${progress.changed} changed`,
      );
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  if (end < until) {
    const { done, changed } = progress;
    await continueAsNew<typeof backfill>({
      ...plan,
      window: { from: iso(end), until: window.until },
      before: { done, changed },
    });
  }
  upsertSearchAttributes({ EsteiraState: ['closed'] });
  return progress;
}

const iso = (ms: number): string => new Date(ms).toISOString();
