/**
 * One look at one window of predictions: the body of the model's Schedule, a short workflow a tick.
 *
 * A tick never retrains by itself: it tells the model entity what it found, which decides.
 */
import { patched, setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { MonitorOutcome, MonitorPlan } from '../contracts/monitor.ts';
import { onTick } from './stages.ts';

/** @param plan without a window, the window ends at the moment the Schedule meant. */
export async function monitor(plan: MonitorPlan): Promise<MonitorOutcome> {
  const { model } = plan;
  upsertSearchAttributes({ EsteiraModel: [model], EsteiraStage: ['monitor'], EsteiraState: ['running'] });
  const window = plan.window ?? scheduledWindow(plan.everyMs);
  const tick = await onTick.monitor.executeWithOptions(
    { summary: `${window.from.slice(0, 16)} to ${window.until.slice(0, 16)}` },
    [{ model, window }],
  );
  // 0.5.0: alerts were posted once a tick, and a receiver that was down kept the tick from going on.
  const hasBook = patched('alert-book');
  if (!hasBook && tick.alerts.length > 0) await onTick.notify({ model, tick });
  const [retrain] = await bothDone(
    onTick.retrain({ model, tick }),
    hasBook ? onTick.tellAlerts({ model, tick }) : undefined,
  );
  // 0.4.0: a day's files were left as replicas had written them.
  if (patched('compact-log')) await onTick.compact({ model, before: workflowInfo().startTime.toISOString() });
  const lines = [
    `### ${model}: ${tick.rows} predictions, ${tick.alerts.length} alerts`,
    ...tick.alerts.map((alert) => `- **${alert.kind}** ${alert.message}`),
    ...retrain.map((answer) => `- rule **${answer.rule}**: ${answer.reason} → ${answer.disposition.status}`),
  ];
  setCurrentDetails(lines.join('\n'));
  upsertSearchAttributes({
    EsteiraState: ['closed'],
    EsteiraOutcome: [tick.alerts.length > 0 ? 'alert' : 'quiet'],
  });
  return { tick, retrain, at: new Date().toISOString() };
}

/** Neither keeps the other from being done. @throws what the first of them threw, if any */
async function bothDone<A, B>(one: Promise<A>, other: Promise<B> | undefined): Promise<[A, B | undefined]> {
  await Promise.allSettled([one, other]);
  return Promise.all([one, other]);
}

function scheduledWindow(everyMs: number): { from: string; until: string } {
  const scheduled = workflowInfo().searchAttributes['TemporalScheduledStartTime']?.[0];
  const until = scheduled instanceof Date ? scheduled.getTime() : Math.floor(Date.now() / everyMs) * everyMs;
  return { from: new Date(until - everyMs).toISOString(), until: new Date(until).toISOString() };
}
