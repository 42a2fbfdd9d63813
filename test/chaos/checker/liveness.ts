/** I6: after faults have stopped, everything has ended, or waits for a person or a timer that can be named. */
import { breachesOf, grouped } from './breach.ts';
import type { Breach } from './breach.ts';
import type { Evidence, Run } from './evidence.ts';
import { isReset, latest, runsOf, startedWith } from './history.ts';

/** More tries than this, when nothing is broken any more, are a loop. */
const triesAtMost = 3;
/** A deadline may have just passed, a tick just begun. */
const graceMs = 60_000;

export function liveness(evidence: Evidence): Breach[] {
  const { breaches, breach, demand } = breachesOf('I6');
  for (const run of evidence.runs.filter(({ status }) => status === 'RUNNING')) {
    const name = `${run.workflowId} (${run.runId})`;
    const trouble = taskTrouble(run);
    demand(trouble === undefined, `${name} cannot make its workflow tasks`, trouble);
    for (const { activity, attempt, failure } of run.pending)
      demand(attempt <= triesAtMost, `${name} tries ${activity} for the ${attempt}th time`, failure);
    const waits = waitsFor(evidence, run);
    demand(waits !== undefined, `${name} runs, and waits for nothing that can be named`, {
      pending: run.pending,
      last: run.events.at(-1)?.type,
    });
  }
  for (const one of evidence.acknowledged) {
    if (one.kind !== 'cancel') continue;
    const run = latest(runsOf(evidence, one.lifecycleId));
    if (!run) breach(`${one.lifecycleId} was cancelled and is not known`, one);
    else demand(run.status !== 'RUNNING', `${one.lifecycleId} was cancelled at ${one.at} and still runs`);
  }
  return [...breaches, ...twice(evidence)];
}

/** A person, a timer, the world: undefined when it is none of these. */
function waitsFor(evidence: Evidence, run: Run): string | undefined {
  const running = (prefix: string) =>
    evidence.runs.some((one) => one.status === 'RUNNING' && one.workflowId.startsWith(prefix));
  const [, model, number] = run.workflowId.split('/');
  if (run.type === 'model' || run.type === 'alerts')
    return run.pending.length === 0 ? 'a message' : undefined;
  if (run.type === 'approval')
    return dueAt(run) + graceMs > Date.parse(evidence.askedAt) ? 'people' : undefined;
  if (run.type === 'rollout') return timers(run) > 0 ? 'its bake' : undefined;
  if (run.type === 'monitor')
    return Date.parse(run.startedAt) + graceMs > Date.parse(evidence.askedAt) ? 'its tick' : undefined;
  if (run.type === 'lifecycle' && running(`search/${model}/${number}`)) return 'its search';
  if (run.type === 'lifecycle' && running(`approval/${model}/${number}`)) return 'its approval';
  if (run.type === 'lifecycle' && running(`rollout/${model}/`)) return 'its rollout';
  return undefined;
}

function dueAt(run: Run): number {
  return Date.parse(run.startedAt) + Number(startedWith(run)['deadlineMs'] ?? 0);
}

function timers({ events }: Run): number {
  const over = new Set(
    events.filter(({ type }) => /^Timer(Fired|Canceled)$/.test(type)).map(({ about }) => about['timerId']),
  );
  return events.filter(({ type, about }) => type === 'TimerStarted' && !over.has(about['timerId'])).length;
}

/** History keeps the first failure of a streak; the server counts the rest. */
function taskTrouble({ events, taskAttempt }: Run): unknown {
  const last = events.findLast(({ type }) => /^WorkflowTask(Completed|Failed|TimedOut)$/.test(type));
  if (taskAttempt > triesAtMost) return { attempt: taskAttempt, last: last?.about };
  return last?.type === 'WorkflowTaskFailed' &&
    last.about['cause'] !== 'WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW'
    ? last.about
    : undefined;
}

/** Of one workflow id at most one run is open; a reset ends the run it was made from. */
function twice(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I6');
  const open = evidence.runs.filter(({ status }) => status === 'RUNNING');
  for (const [workflowId, runs] of grouped(open, (run) => run.workflowId))
    demand(
      runs.length === 1,
      `${workflowId} runs ${runs.length} times`,
      runs.map((run) => [run.runId, isReset(run)]),
    );
  return breaches;
}
