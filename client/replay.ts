/**
 * Histories against this code, as a worker would meet them after an upgrade.
 *
 * A replay compares commands, not what payloads hold: a renamed field replays, and then reads `undefined`. So the
 * payloads that our contracts describe are parsed, too.
 */
import type { Client } from '@temporalio/client';
import type { Payload } from '@temporalio/common';
import type { temporal } from '@temporalio/proto';
import { DefaultLogger, makeTelemetryFilterString, Runtime, Worker } from '@temporalio/worker';
import { Delivery } from '../contracts/alerts.ts';
import { ApprovalRequest } from '../contracts/approval.ts';
import { BackfillPlan } from '../contracts/backfill.ts';
import { LifecyclePlan, stages } from '../contracts/lifecycle.ts';
import { ModelState } from '../contracts/model.ts';
import { MonitorPlan } from '../contracts/monitor.ts';
import { RolloutPlan } from '../contracts/rollout.ts';
import { workflowBundle } from '../infra/workflow-bundle.ts';
import { payloadConverter } from '../workflows/payload-converter.ts';

type History = temporal.api.history.v1.IHistory;
interface Told {
  workflowId: string;
  history: History;
}

export interface Replayed {
  workflowId: string;
  /** Null: it replays, and its payloads parse. */
  error: string | null;
}

const ours = `ExecutionStatus = 'Running' AND WorkflowType IN ('model', 'lifecycle', 'approval', 'rollout', 'monitor')`;

/** Every open run of a namespace, one history in memory at a time. */
export function replayRunning(client: Client, cacheHome: string): Promise<Replayed[]> {
  const open = async function* () {
    for await (const { workflowId, runId } of client.workflow.list({ query: ours })) {
      yield { workflowId, history: await client.workflow.getHandle(workflowId, runId).fetchHistory() };
    }
  };
  return replay(open(), cacheHome);
}

/** @returns one answer a history, in their order */
export async function replay(histories: AsyncIterable<Told>, cacheHome: string): Promise<Replayed[]> {
  // By way of the logger: the core would write to standard output, where `--json` speaks.
  const filter = makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' });
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { forward: {}, filter } },
  });
  const bundle = await workflowBundle(cacheHome);
  const read: Replayed[] = [];
  const passing = async function* () {
    for await (const told of histories) {
      read.push({ workflowId: told.workflowId, error: unreadable(told.history) });
      yield told;
    }
  };
  let n = 0;
  for await (const { error } of Worker.runReplayHistories({ workflowBundle: bundle }, passing())) {
    const told = read[n++]!;
    if (error) told.error ??= oneLine(error.message);
  }
  return read;
}

const inputs = {
  lifecycle: LifecyclePlan,
  approval: ApprovalRequest,
  rollout: RolloutPlan,
  model: ModelState,
  monitor: MonitorPlan,
  backfill: BackfillPlan,
  delivery: Delivery,
};

/** @returns which payload this code could not read, or null */
export function unreadable({ events }: History): string | null {
  const started = events?.[0]?.workflowExecutionStartedEventAttributes;
  const type = started?.workflowType?.name ?? '';
  const input = valueOf(started?.input);
  // A model entity begins with its name alone.
  if (type in inputs && typeof input !== 'string') {
    const { error } = inputs[type as keyof typeof inputs].safeParse(input);
    if (error) return `the input of ${type} does not parse: ${oneLine(error.message)}`;
  }
  const scheduled = new Map<string, string>();
  for (const event of events ?? []) {
    const activity = event.activityTaskScheduledEventAttributes?.activityType?.name;
    if (activity && activity in stages) scheduled.set(String(event.eventId), activity);
    const done = event.activityTaskCompletedEventAttributes;
    const stage = scheduled.get(String(done?.scheduledEventId)) as keyof typeof stages | undefined;
    const error = stage && stages[stage].output.safeParse(valueOf(done?.result)).error;
    if (error) return `the result of ${stage} does not parse: ${oneLine(error.message)}`;
  }
  return null;
}

function valueOf(payloads: { payloads?: Payload[] | null } | null | undefined): unknown {
  const [payload] = payloads?.payloads ?? [];
  return payload ? payloadConverter.fromPayload(payload) : undefined;
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').slice(0, 400);
