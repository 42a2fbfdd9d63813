/** I15: what was refused left nothing, and what was forged changed nothing. */
import { breachesOf } from './breach.ts';
import type { Breach } from './breach.ts';
import type { Evidence } from './evidence.ts';
import { all, approvalsByRequest } from './facts.ts';
import { startedWith } from './history.ts';

export function badInput(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I15');
  const approvals = approvalsByRequest(evidence);
  for (const one of evidence.acknowledged) {
    if (one.kind === 'refused') {
      const traces = [
        ...(one.id ? tracesOf(evidence, one.id) : []),
        ...(one.model ? tracesOfModel(evidence, one.model) : []),
      ];
      demand(
        traces.length === 0,
        `${one.what} ${one.id ?? one.model ?? ''} was refused (${one.how}), and is there`,
        traces,
      );
    } else if (one.kind === 'forged') {
      const traces = one.id ? tracesOf(evidence, one.id) : [];
      demand(traces.length === 0, `a forged ${one.message} to ${one.workflowId} took effect`, traces);
      const { by } = one;
      if (by === undefined || one.message !== 'decide') continue;
      const filed = (approvals.get(one.workflowId.slice('approval/'.length)) ?? []).filter(
        (record) => record.by === by,
      );
      demand(
        filed.every(({ kind }) => kind !== 'decision'),
        `the decision forged for ${by} was counted in ${one.workflowId}`,
        filed,
      );
      demand(
        filed.some(({ kind }) => kind === 'refusal'),
        `the decision forged for ${by} in ${one.workflowId} was not filed as refused`,
        filed,
      );
    }
  }
  return breaches;
}

/** A workflow, a trigger, a lifecycle that carries it, a prediction or a label of this id. */
function tracesOf(evidence: Evidence, id: string): string[] {
  const trigger = (run: Evidence['runs'][number]) =>
    (startedWith(run)['trigger'] as { id?: string } | undefined)?.id;
  return [
    ...evidence.runs
      .filter((run) => run.workflowId === id || trigger(run) === id)
      .map(({ workflowId }) => workflowId),
    ...all(evidence, 'events')
      .filter(({ value }) => value.trigger.id === id)
      .map(({ key }) => key),
    ...[...evidence.predictions, ...evidence.labels].filter((row) => row.id === id).map(({ from }) => from),
  ];
}

function tracesOfModel(evidence: Evidence, model: string): string[] {
  const own = new RegExp(`^(model|lifecycle|approval|rollout|monitor|alerts|delivery)/${model}(/|$)`);
  const kept = new RegExp(`^(models|events|approvals|alerts|spent|runs/lifecycle|datasets)/${model}/`);
  return [
    ...evidence.runs.filter(({ workflowId }) => own.test(workflowId)).map(({ workflowId }) => workflowId),
    ...Object.keys(evidence.objects).filter((key) => kept.test(key)),
  ];
}
