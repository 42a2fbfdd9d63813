/**
 * Lineage: tells a receiver of OpenLineage events what stages and ticks do, as it happens, from the worker that does it.
 *
 * It stands around the activities and not within them: what is told is put together later, from the store, in a line that
 * nobody waits for. So no stage is slower for it, and none fails by it. A worker that is killed loses what was in line;
 * therefore `settle` tells a lifecycle once more, from its records, when it is over: all that this worker has not told.
 * Ids of runs follow from their names, so what is told twice is one run.
 */
import { stages } from '../../contracts/lifecycle.ts';
import type { Input, Stage } from '../../contracts/lifecycle.ts';
import type { LineageReceiver } from '../../infra/openlineage.ts';
import type { Store } from '../../infra/store/store.ts';
import { tickName } from '../monitor/look.ts';
import type { RunEvent } from './events.ts';
import { tickRun, stageRun } from './runs.ts';
import type { Moment } from './runs.ts';
import { approvalEvents, lifecycleEvent, openTelling, recordedEvents } from './telling.ts';
import { settledEvents, stageEvent } from './telling.ts';
import type { Telling } from './telling.ts';
import { monitorFlow, retrainFlow, watchedBy } from './ticks.ts';
import type { MonitorInput, RetrainAnswers, RetrainInput } from './ticks.ts';

export interface LineageDeps {
  store: Store;
  receiver: LineageReceiver;
  /** Of this release. */
  version: string;
}

/** One try of one activity. */
export interface Try {
  type: string;
  input: unknown;
  /** Of its workflow. */
  runId: string;
}

export type End = { output: unknown } | { error: string; cancelled: boolean };

export interface Lineage {
  began(attempt: Try): void;
  /** @param final whether no later try will change it */
  ended(attempt: Try, end: End, final: boolean): void;
  /** Waits a moment, so that it is told before the run is over; never fails. */
  settle(lifecycle: { lifecycleId: string; status: string }): Promise<void>;
}

const settleMs = 3_000;
const rememberedAtMost = 10_000;

export function createLineage({ store, receiver, version }: LineageDeps): Lineage {
  let opened: Promise<Telling> | undefined;
  const told = new Remembered();
  /** By lifecycle, then by stage. */
  const errors = new Map<string, Map<string, string>>();

  const tell = (events: (telling: Telling) => Promise<RunEvent[]>, repeat = false) =>
    receiver.tell(async () => {
      opened ??= openTelling(store, receiver.namespace, version);
      const telling = await opened.catch((error: unknown) => {
        opened = undefined;
        throw error;
      });
      const made = await events(telling);
      return made.filter(({ run, eventType }) => told.add(`${run.runId}/${eventType}`) || repeat);
    });

  return {
    began(attempt) {
      const at = new Date().toISOString();
      tell((telling) => beginnings(telling, attempt, { type: 'START', at }));
    },
    ended(attempt, end, final) {
      if ('error' in end) remember(errors, attempt, end.error);
      if (!final) return;
      const at = new Date().toISOString();
      // A lifecycle that was reset runs a stage again, and its end is news; so is one of a tick.
      tell((telling) => endings(telling, attempt, end, at), true);
    },
    async settle({ lifecycleId, status }) {
      if (!lifecycleId.startsWith('lifecycle/')) return;
      const at = new Date().toISOString();
      const known = errors.get(lifecycleId) ?? new Map<string, string>();
      errors.delete(lifecycleId);
      tell((telling) => settledEvents(telling, { lifecycleId, status, at, errors: known }));
      await receiver.idle(settleMs);
    },
  };
}

/** Names that were said; the oldest are forgotten. */
class Remembered {
  readonly #names = new Set<string>();

  /** @returns whether it is new */
  add(name: string): boolean {
    if (this.#names.has(name)) return false;
    this.#names.add(name);
    if (this.#names.size > rememberedAtMost) this.#names.delete(this.#names.values().next().value!);
    return true;
  }
}

function remember(errors: Map<string, Map<string, string>>, { type, input }: Try, error: string): void {
  const stage = stageOf(type);
  const lifecycleId = (input as { lifecycleId?: unknown } | undefined)?.lifecycleId;
  if (!stage || typeof lifecycleId !== 'string') return;
  const known = errors.get(lifecycleId) ?? new Map<string, string>();
  errors.set(lifecycleId, known.set(stage, error));
  if (errors.size > rememberedAtMost) errors.delete(errors.keys().next().value!);
}

/** Trials of a search, and the choice among them, are its train stage. */
function stageOf(type: string): Stage | undefined {
  if (type === 'trial' || type === 'chooseTrial') return 'train';
  return type in stages ? (type as Stage) : undefined;
}

/** Undefined where it is no lifecycle's: a reproduction is nobody's run. */
function inputOf(stage: Stage, input: unknown): Input<Stage> | undefined {
  const parsed = stages[stage].input.parse(input) as Input<Stage>;
  return parsed.lifecycleId.startsWith('lifecycle/') ? parsed : undefined;
}

async function beginnings(telling: Telling, attempt: Try, moment: Moment): Promise<RunEvent[]> {
  if (attempt.type === 'monitor' || attempt.type === 'retrain') return tickEvents(telling, attempt, moment);
  const stage = stageOf(attempt.type);
  const input = stage && inputOf(stage, attempt.input);
  if (!stage || !input) return [];
  const event = await stageEvent(telling, stage, input, moment);
  if (stage !== 'ingest') return [event];
  return [await lifecycleEvent(telling, input.lifecycleId, moment, input as Input<'ingest'>), event];
}

async function endings(telling: Telling, attempt: Try, end: End, at: string): Promise<RunEvent[]> {
  const { type, input: unparsed } = attempt;
  if (type === 'recordApproval') return newest(await approvalEvents(telling, requestOf(unparsed)), unparsed);
  const moment = momentOf(end, at);
  if (type === 'monitor' || type === 'retrain')
    return tickEvents(telling, attempt, moment, 'output' in end ? end.output : undefined);
  const stage = stageOf(type);
  const input = stage && inputOf(stage, unparsed);
  if (!stage || !input || type === 'trial') return [];
  if ('error' in end) return [await stageEvent(telling, stage, input, moment)];
  return (await recordedEvents(telling, input.lifecycleId, stage)).slice(-1);
}

function momentOf(end: End, at: string): Moment {
  if ('output' in end) return { type: 'COMPLETE', at };
  return end.cancelled ? { type: 'ABORT', at } : { type: 'FAIL', at, error: end.error };
}

const requestOf = (record: unknown): string => (record as { requestId: string }).requestId;

/** Of a request its beginning, of a verdict its end; the rest between is nobody's news. */
function newest(events: RunEvent[], record: unknown): RunEvent[] {
  const { kind } = record as { kind: string };
  const type = { requested: 'START', verdict: 'COMPLETE' }[kind];
  return events.filter(({ eventType }) => eventType === type);
}

/** Each making of a tick is a run of its own. Its parent is the lifecycle that made what it watches. */
async function tickEvents(
  telling: Telling,
  { type, input, runId }: Try,
  moment: Moment,
  output?: unknown,
): Promise<RunEvent[]> {
  const { store, datasets, teller } = telling;
  const { model } = input as { model: string };
  const tick = type === 'monitor' ? undefined : (input as RetrainInput).tick;
  const summary = type === 'monitor' ? (output as RetrainInput['tick'] | undefined) : tick;
  const watched = await watchedBy(store, model, summary?.version ?? undefined);
  const parent = watched && stageRun(watched.lifecycleId, 'deploy').parent;
  const about = { pinned: watched?.pinned, window: tick?.window ?? (input as MonitorInput).window };
  if (tick) {
    const flow = retrainFlow(datasets, input as RetrainInput, output as RetrainAnswers | undefined);
    const monitored = tickRun('monitor', model, tick.tick, parent);
    return [teller.event(tickRun('retrain', model, tick.tick, monitored), moment, flow, about)];
  }
  const { window, again = false } = input as MonitorInput;
  const name = again ? `${tickName(window)}/${runId}` : tickName(window);
  const flow = await monitorFlow({ store, datasets }, input as MonitorInput, watched, summary);
  const tags = summary && { alerts: String(summary.alerts.length) };
  const told = { ...moment, ...(tags && moment.type === 'COMPLETE' && { tags }) };
  return [teller.event(tickRun('monitor', model, name, parent), told, flow, about)];
}
