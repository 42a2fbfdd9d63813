/** Every run that a Temporal server knows, decoded, and whether its history replays with the code as it is. */
import type { Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { Worker } from '@temporalio/worker';
import { describeQuery } from '../../../workflows/messages.ts';
import type { Entity, Event, Evidence, Run } from './evidence.ts';

export type ServerEvidence = Pick<Evidence, 'askedAt' | 'runs' | 'replays' | 'entities'>;

/** An entity that does not answer in this time is stuck, or has no worker. */
const patienceMs = 10_000;

/**
 * Holds one raw history at a time. Call it with a worker up, when faults have stopped and runs had time to end.
 *
 * @param workflowBundle as `infra/workflow-bundle.ts` builds it
 */
export async function askServer(
  client: Client,
  workflowBundle: { codePath: string },
): Promise<ServerEvidence> {
  const askedAt = new Date().toISOString();
  const runs: Run[] = [];
  const replays: ServerEvidence['replays'] = [];
  const histories = async function* () {
    for await (const { workflowId, runId, type } of client.workflow.list()) {
      if (type.startsWith('temporal-')) continue; // the server's own, of Schedules
      const handle = client.workflow.getHandle(workflowId, runId);
      const history = await handle.fetchHistory();
      runs.push(runOf(await handle.describe(), eventsOf(historyToJSON(history))));
      yield { workflowId, runId, history };
    }
  };
  // One by one, in order; of a reset run it tells the id of the run that was reset, so that is not gone by.
  for await (const { error } of Worker.runReplayHistories({ workflowBundle }, histories())) {
    const { workflowId, runId } = runs[replays.length]!;
    replays.push({ workflowId, runId, error: error ? error.message : null });
  }
  return { askedAt, runs, replays, entities: await entitiesOf(client, runs) };
}

async function entitiesOf(client: Client, runs: Run[]): Promise<Evidence['entities']> {
  const alive = runs.filter(({ type, status }) => type === 'model' && status === 'RUNNING');
  const asked = alive.map(async ({ workflowId }) => {
    const answer = client.withDeadline(Date.now() + patienceMs, () =>
      client.workflow.getHandle(workflowId).query(describeQuery),
    );
    const entity: Entity | { error: string } = await answer.catch((error: unknown) => ({
      error: String(error),
    }));
    return [workflowId.slice('model/'.length), plain(entity)] as const;
  });
  return Object.fromEntries(await Promise.all(asked));
}

type Description = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['describe']>>;

function runOf(described: Description, events: Event[]): Run {
  const { workflowId, runId, type, status, startTime, closeTime, historyLength, historySize, raw } =
    described;
  return {
    ...{ workflowId, runId, type, status: status.name },
    startedAt: startTime.toISOString(),
    closedAt: closeTime?.toISOString() ?? null,
    ...{ length: historyLength, bytes: historySize ?? 0, events },
    pending: (raw.pendingActivities ?? []).map(({ activityType, attempt, lastFailure }) => ({
      activity: activityType?.name ?? '',
      attempt: attempt ?? 1,
      failure: lastFailure?.message ?? '',
    })),
    taskAttempt: raw.pendingWorkflowTask?.attempt ?? 0,
    memo: plain(described.memo ?? null),
    searchAttributes: plain(described.searchAttributes),
  };
}

/** @param json a history in protobuf JSON, as `test/histories` holds them */
export function eventsOf(json: string): Event[] {
  const { events = [] } = JSON.parse(json) as { events?: Record<string, unknown>[] };
  return events.map((event) => {
    const attributes = Object.keys(event).find((key) => key.endsWith('EventAttributes'));
    const about = decoded(attributes ? event[attributes] : {}) as Event['about'];
    const notes = event['userMetadata'] ? { userMetadata: decoded(event['userMetadata']) } : {};
    return {
      id: Number(event['eventId']),
      at: new Date(String(event['eventTime'])).toISOString(),
      type: camel(String(event['eventType'])),
      about: { ...about, ...notes },
    };
  });
}

/** `EVENT_TYPE_TIMER_FIRED` → `TimerFired` */
function camel(type: string): string {
  const words = type.replace('EVENT_TYPE_', '').toLowerCase().split('_');
  return words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join('');
}

interface Encoded {
  metadata: { encoding: string };
  data?: string;
}

/** Payloads become what they hold, and a list of them an array. */
function decoded(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decoded);
  if (typeof value !== 'object' || value === null) return value;
  if (isPayload(value)) return contentOf(value);
  const members = Object.entries(value).map(([key, member]) => [key, decoded(member)] as const);
  const [only] = members;
  return members.length === 1 && only![0] === 'payloads' ? only![1] : Object.fromEntries(members);
}

function isPayload(value: object): value is Encoded {
  return 'metadata' in value && typeof (value as Encoded).metadata?.encoding === 'string';
}

function contentOf({ metadata, data = '' }: Encoded): unknown {
  const encoding = Buffer.from(metadata.encoding, 'base64').toString();
  const text = Buffer.from(data, 'base64').toString();
  if (encoding === 'binary/null') return null;
  return encoding.startsWith('json/') ? (JSON.parse(text) as unknown) : text;
}

function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
