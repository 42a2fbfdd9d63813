/**
 * One look at one window of predictions: the body of the model's Schedule, a short workflow a tick.
 *
 * A tick never retrains by itself: it tells the model entity what it found, which decides.
 */
import { patched, setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { Window } from '../contracts/artifact.ts';
import type { MonitorOutcome, MonitorPlan, RetrainAnswer, TickSummary } from '../contracts/monitor.ts';
import { onTick, toBook } from './stages.ts';

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
  const { rules, news } = tick.follows ?? { rules: true, news: true };
  const asked = await settled(rules ? onTick.retrain({ model, tick }) : Promise.resolve([]));
  // What is found is told, whatever became of the rest.
  const told = withRetraining(tick, asked);
  if (hasBook && (news || told.alerts.length > 0)) await toBook.tellAlerts({ model, tick: told });
  if (asked.status === 'rejected') throw asked.reason;
  const retrain = asked.value;
  // 0.4.0: a day's files were left as replicas had written them. 0.5.0: they were looked through at every tick.
  if (patched('compact-log') && (!patched('compact-daily') || endsADay(window)))
    await onTick.compact({ model, before: workflowInfo().startTime.toISOString() });
  // 0.5.0: labels that came later than `labelDelay` were never looked at.
  if (endsADay(window) && patched('late-labels'))
    for (const late of await onTick.staleTicks({ model, window }))
      await onTick.monitor.executeWithOptions({ summary: `late labels of ${late.from.slice(0, 16)}` }, [
        { model, window: late, again: true },
      ]);
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

async function settled<T>(promise: Promise<T>): Promise<PromiseSettledResult<T>> {
  const [result] = await Promise.allSettled([promise]);
  return result;
}

/** That retraining is given up for a while is something to look at, until a trigger is answered otherwise. */
function withRetraining(tick: TickSummary, asked: PromiseSettledResult<RetrainAnswer[]>): TickSummary {
  if (asked.status === 'rejected' || asked.value.length === 0) return tick;
  const givenUp = asked.value.flatMap(({ disposition }) =>
    disposition.status === 'ignored' && disposition.code === 'back-off' ? [disposition.why] : [],
  );
  const alerts = givenUp
    .slice(0, 1)
    .map((message) => ({ kind: 'retrain' as const, key: 'retrain', message }));
  const judged = tick.judged && [...tick.judged, 'retrain' as const];
  return { ...tick, alerts: [...tick.alerts.slice(0, 99), ...alerts], ...(judged && { judged }) };
}

/** It is the first to end in a day. */
function endsADay({ from, until }: Window): boolean {
  return from.slice(0, 10) < until.slice(0, 10);
}

function scheduledWindow(everyMs: number): { from: string; until: string } {
  const scheduled = workflowInfo().searchAttributes['TemporalScheduledStartTime']?.[0];
  const until = scheduled instanceof Date ? scheduled.getTime() : Math.floor(Date.now() / everyMs) * everyMs;
  return { from: new Date(until - everyMs).toISOString(), until: new Date(until).toISOString() };
}
