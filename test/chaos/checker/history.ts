/** What a run's history says in our words: activities with what they took and gave, messages with their answers. */
import type { Event, Evidence, Run } from './evidence.ts';

export interface Activity {
  type: string;
  input: unknown;
  scheduledAt: string;
  /** `completed` and `result`, or how else it ended; `pending` if it did not. */
  outcome: 'completed' | 'failed' | 'timed-out' | 'cancelled' | 'pending';
  result: unknown;
  endedAt: string | null;
  /** Names it across the runs of one workflow: a reset run's history begins with a copy of the first one's. */
  key: string;
}

export interface Message {
  name: string;
  how: 'update' | 'signal';
  input: unknown;
  at: string;
  /** Of a completed update. */
  answer?: unknown;
}

const ends: Record<string, Activity['outcome']> = {
  ActivityTaskCompleted: 'completed',
  ActivityTaskFailed: 'failed',
  ActivityTaskTimedOut: 'timed-out',
  ActivityTaskCanceled: 'cancelled',
};

export function activities(run: Run): Activity[] {
  const found = new Map<string, Activity>();
  for (const event of run.events) {
    const { about, at, type } = event;
    if (type === 'ActivityTaskScheduled') {
      const name = String((about['activityType'] as { name?: string } | undefined)?.name);
      const pending = { outcome: 'pending', result: undefined, endedAt: null } as const;
      const key = `${run.workflowId} ${event.id} ${at}`;
      found.set(String(event.id), {
        type: name,
        input: first(about['input']),
        scheduledAt: at,
        ...pending,
        key,
      });
    }
    const ended = found.get(String(about['scheduledEventId']));
    const outcome = ends[type];
    if (ended && outcome) Object.assign(ended, { outcome, endedAt: at, result: first(about['result']) });
  }
  return [...found.values()];
}

/** Of all runs, each once, whatever resets copied. */
export function allActivities(evidence: Evidence): (Activity & { workflowId: string })[] {
  const found = new Map<string, Activity & { workflowId: string }>();
  for (const run of evidence.runs) {
    for (const one of activities(run)) {
      if (found.get(one.key)?.outcome !== 'completed')
        found.set(one.key, { ...one, workflowId: run.workflowId });
    }
  }
  return [...found.values()];
}

/** Updates that were accepted, and signals, in order. */
export function messages(run: Run): Message[] {
  const found: Message[] = [];
  const accepted = new Map<string, Message>();
  const admitted = new Map<string, unknown>();
  for (const { type, about, at } of run.events) {
    if (type === 'WorkflowExecutionSignaled') {
      found.push({ name: String(about['signalName']), how: 'signal', input: first(about['input']), at });
    } else if (type === 'WorkflowExecutionUpdateAdmitted') {
      admitted.set(updateId(about['request']), about['request']);
    } else if (type === 'WorkflowExecutionUpdateAccepted') {
      const id = String(about['protocolInstanceId']);
      // What a reset brought over is written down when it is admitted, and not again.
      const request = (about['acceptedRequest'] ?? admitted.get(id)) as Request | undefined;
      const { name, args } = request?.input ?? {};
      const message: Message = { name: name ?? '', how: 'update', input: first(args), at };
      found.push(message);
      accepted.set(id, message);
    } else if (type === 'WorkflowExecutionUpdateCompleted') {
      const message = accepted.get(String((about['meta'] as { updateId?: string } | undefined)?.updateId));
      const outcome = about['outcome'] as { success?: unknown; failure?: unknown } | undefined;
      if (message && outcome && 'success' in outcome) message.answer = first(outcome.success);
    }
  }
  return found;
}

interface Request {
  meta?: { updateId?: string };
  input?: { name?: string; args?: unknown };
}

const updateId = (request: unknown): string => String((request as Request | undefined)?.meta?.updateId);

/** What the workflow was started with. */
export function startedWith(run: Run): Record<string, unknown> {
  const input = first(started(run)?.about['input']);
  return typeof input === 'object' && input !== null ? (input as Record<string, unknown>) : {};
}

/** It goes on from the middle of another run, which somebody reset. */
export function isReset(run: Run): boolean {
  const origin = started(run)?.about['originalExecutionRunId'];
  return origin !== undefined && origin !== run.runId;
}

/** It goes on from another run of its own accord. */
export function isContinued(run: Run): boolean {
  return Boolean(started(run)?.about['continuedExecutionRunId']);
}

/** Id of the workflow that started it. */
export function parentOf(run: Run): string | undefined {
  return (started(run)?.about['parentWorkflowExecution'] as { workflowId?: string } | undefined)?.workflowId;
}

/** What a completed run gave back. */
export function resultOf(run: Run): unknown {
  return first(run.events.findLast(({ type }) => type === 'WorkflowExecutionCompleted')?.about['result']);
}

/** The one that stands: the last to be started. */
export function latest(runs: Run[]): Run | undefined {
  return runs.toSorted((a, b) => a.startedAt.localeCompare(b.startedAt)).at(-1);
}

export function runsOf(evidence: Evidence, workflowId: string): Run[] {
  return evidence.runs.filter((run) => run.workflowId === workflowId);
}

const started = (run: Run): Event | undefined =>
  run.events.find(({ type }) => type === 'WorkflowExecutionStarted');

function first(payloads: unknown): unknown {
  return Array.isArray(payloads) ? payloads[0] : payloads;
}

/** `<model> <trigger>` of a lifecycle. */
export function triggerOf(run: Run): string {
  const { model, trigger } = startedWith(run) as { model?: string; trigger?: { id?: string } };
  return `${model} ${trigger?.id}`;
}
