/** I4: whatever was tried twice took effect once. */
import { breachesOf, grouped, same } from './breach.ts';
import type { Breach } from './breach.ts';
import type { Evidence, Run } from './evidence.ts';
import { all, approvalsByRequest, byRollout, changes, slotsByModel } from './facts.ts';
import { activities, isContinued, isReset, parentOf, runsOf, triggerOf } from './history.ts';

export function once(evidence: Evidence): Breach[] {
  return [...versions(evidence), ...promotions(evidence), ...lifecycles(evidence), ...rows(evidence)];
}

function versions(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I4');
  const found = all(evidence, 'versions');
  for (const [lifecycleId, made] of grouped(found, ({ value }) => value.lifecycleId))
    demand(
      made.length === 1,
      `${lifecycleId} registered ${made.length} versions`,
      made.map(({ key }) => key),
    );
  for (const [model, made] of grouped(found, ({ of }) => of)) {
    const numbers = made.map(({ part }) => Number(part)).toSorted((a, b) => a - b);
    demand(
      same(
        numbers,
        numbers.map((_, at) => at + 1),
      ),
      `version numbers of ${model} have a gap`,
      numbers,
    );
  }
  for (const [lifecycleId, runs] of grouped(ofType(evidence, 'lifecycle'), ({ workflowId }) => workflowId)) {
    const deployed = runs
      .flatMap(activities)
      .filter(({ type, outcome }) => type === 'deploy' && outcome === 'completed');
    const numbers = new Set(deployed.map(({ result }) => (result as { version?: number }).version));
    demand(numbers.size <= 1, `runs of ${lifecycleId} gave several versions`, [...numbers]);
  }
  return breaches;
}

function promotions(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I4');
  for (const [model, history] of slotsByModel(evidence)) {
    const crowned = changes(history).flatMap(({ before, after }) =>
      after.champion && byRollout(after) && before?.champion?.version !== after.champion.version
        ? [{ version: after.champion.version, epoch: after.epoch }]
        : [],
    );
    for (const [version, times] of grouped(crowned, (one) => String(one.version)))
      demand(times.length === 1, `version ${version} of ${model} was promoted ${times.length} times`, times);
  }
  for (const [requestId, records] of approvalsByRequest(evidence)) {
    // One that was reset may conclude again; its first verdict stands, which I2 counts by.
    if (runsOf(evidence, `approval/${requestId}`).length > 1) continue;
    const verdicts = records.filter(({ kind }) => kind === 'verdict');
    demand(verdicts.length <= 1, `${requestId} has ${verdicts.length} verdicts`, verdicts);
  }
  return breaches;
}

function lifecycles(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I4');
  const redone = new Set(evidence.runs.filter(isReset).map(({ workflowId }) => workflowId));
  // A lifecycle that was reset asks again, and rolls out again: what may come of it is for I2 and I12.
  const fresh = ofType(evidence, 'lifecycle', 'approval', 'rollout').filter(
    (run) =>
      !isReset(run) && !isContinued(run) && !(run.type !== 'lifecycle' && redone.has(parentOf(run) ?? '')),
  );
  for (const [workflowId, runs] of grouped(fresh, (run) => run.workflowId))
    demand(
      runs.length === 1,
      `${workflowId} was started ${runs.length} times`,
      runs.map(({ runId }) => runId),
    );
  const triggered = grouped(ofType(evidence, 'lifecycle'), (run) => triggerOf(run));
  for (const [id, runs] of triggered) {
    const ids = [...new Set(runs.map(({ workflowId }) => workflowId))];
    demand(ids.length === 1, `trigger ${id} started ${ids.length} lifecycles`, ids);
  }
  const accepted = all(evidence, 'events').filter(({ value }) =>
    ['started', 'merged', 'waiting'].includes(value.disposition.status),
  );
  for (const [id, entries] of grouped(accepted, ({ of, value }) => `${of} ${value.trigger.id}`))
    demand(
      entries.length === 1,
      `trigger ${id} was accepted ${entries.length} times`,
      entries.map(({ key, value }) => [key, value.disposition]),
    );
  const starts = accepted.filter(({ value }) => value.disposition.status === 'started');
  for (const [lifecycleId, entries] of grouped(starts, ({ value }) =>
    String(value.disposition['lifecycleId']),
  ))
    demand(
      entries.length === 1,
      `${entries.length} triggers say that they started ${lifecycleId}`,
      entries.map(({ key }) => key),
    );
  return [...breaches, ...atATime(evidence)];
}

/** A lifecycle begins when the one before has said that it is over, or has closed. */
function atATime(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I4');
  const fresh = ofType(evidence, 'lifecycle').filter((run) => !isReset(run));
  for (const [model, runs] of grouped(fresh, ({ workflowId }) => workflowId.split('/')[1] ?? '')) {
    const ordered = runs.toSorted((a, b) => a.startedAt.localeCompare(b.startedAt));
    for (const [at, next] of ordered.entries()) {
      const before = ordered[at - 1];
      const over = before && (before.events.find(isGoodbye)?.at ?? before.closedAt ?? 'never');
      demand(
        !over || over <= next.startedAt,
        `${next.workflowId} of ${model} began while ${before?.workflowId} was in flight`,
        { began: next.startedAt, over },
      );
    }
  }
  return breaches;
}

function isGoodbye({ type, about }: Run['events'][number]): boolean {
  if (type === 'SignalExternalWorkflowExecutionInitiated') return about['signalName'] === 'settled'; // 0.1.0
  const activity = about['activityType'] as { name?: string } | undefined;
  return type === 'ActivityTaskScheduled' && activity?.name === 'tellSettled';
}

/** A journal is shipped under a name of its own, so the same row is never stored twice. */
function rows(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I4');
  const stored = evidence.predictions.filter(({ asked }) => asked !== undefined);
  for (const copies of grouped(stored, ({ model, id, version, loggedAt, ms }) =>
    [model, id, version, loggedAt, ms].join(' '),
  ).values()) {
    const { model, id } = copies[0]!;
    demand(
      copies.length === 1,
      `one answer of ${model}, ${id}, is stored ${copies.length} times`,
      copies.map(({ from }) => from),
    );
  }
  return breaches;
}

function ofType(evidence: Evidence, ...types: string[]): Run[] {
  return evidence.runs.filter(({ type }) => types.includes(type));
}
