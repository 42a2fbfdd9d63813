/** Events of one run, put together from the store. */
import type { ApprovalRecord } from '../../contracts/approval.ts';
import type { Window } from '../../contracts/artifact.ts';
import { stages } from '../../contracts/lifecycle.ts';
import type { Input, Output, Stage } from '../../contracts/lifecycle.ts';
import { PinnedProject } from '../../contracts/project.ts';
import { readJson, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { approvalRecords } from '../approve/records.ts';
import { leaseKey, LeaseRecord } from '../lease.ts';
import { recordKey, StageRecord } from '../record.ts';
import { storeId } from '../track/runs.ts';
import { Datasets } from './datasets.ts';
import type { RunEvent } from './events.ts';
import { lifecycleRun, modelOf, stageRun, Teller } from './runs.ts';
import type { About, Moment } from './runs.ts';
import { flows } from './stages.ts';
import type { Ended } from './stages.ts';

export interface Telling {
  store: Store;
  teller: Teller;
  datasets: Datasets;
}

export async function openTelling(store: Store, namespace: string, version: string): Promise<Telling> {
  const teller = new Teller({ version, namespace, storeId: await storeId(store) });
  return { store, teller, datasets: new Datasets(store.uri, teller.facet) };
}

const nothing = { inputs: [], outputs: [] };

/** @param ended of a stage that is done */
export async function stageEvent<S extends Stage>(
  { store, teller, datasets }: Telling,
  stage: S,
  input: Input<S>,
  moment: Moment,
  ended?: Ended<S>,
): Promise<RunEvent> {
  const { lifecycleId, project } = input;
  const pinned = await readJsonBlob(store, project, PinnedProject);
  const flow = await flows[stage]({ store, datasets, model: modelOf(lifecycleId), pinned }, input, ended);
  const window = 'window' in input ? input.window : (await planOf(store, lifecycleId)).window;
  return teller.event(stageRun(lifecycleId, stage), moment, flow, { pinned, window });
}

/** Of a stage that is on record: how it began, and how it ended. */
export async function recordedEvents(
  telling: Telling,
  lifecycleId: string,
  stage: Stage,
): Promise<RunEvent[]> {
  const record = await recordOf(telling.store, lifecycleId, stage);
  if (!record) return [];
  const { startedAt, endedAt, details } = record;
  const input = stages[stage].input.parse(record.input) as Input<typeof stage>;
  const output = stages[stage].output.parse(record.output) as Output<typeof stage>;
  return [
    await stageEvent(telling, stage, input, { type: 'START', at: startedAt }),
    await stageEvent(telling, stage, input, completed(endedAt, output), { output, details }),
  ];
}

function completed(at: string, output: Output<Stage>): Moment {
  const reused = 'cache' in output && output.cache?.hit === true;
  return { type: 'COMPLETE', at, ...(reused && { tags: { reused: output.cache!.why } }) };
}

/** Of an approval, as far as it has come. */
export async function approvalEvents(telling: Telling, requestId: string): Promise<RunEvent[]> {
  const lifecycleId = `lifecycle/${requestId}`;
  const records = await approvalRecords(telling.store, requestId);
  const about = await planOf(telling.store, lifecycleId);
  const asked = records.find(({ kind }) => kind === 'requested');
  const verdict = records.find(({ kind }) => kind === 'verdict');
  if (!asked) return [];
  const start: Moment = { type: 'START', at: asked.at };
  const event = (moment: Moment, answered: boolean) => approvalEvent(telling, asked, about, moment, answered);
  if (!verdict) return [event(start, false)];
  const answer = verdict.approved ? 'approved' : verdict.reason === 'expired' ? 'expired' : 'rejected';
  return [event(start, false), event({ type: 'COMPLETE', at: verdict.at, tags: { verdict: answer } }, true)];
}

export function approvalEvent(
  { teller, datasets }: Telling,
  { requestId, subject }: ApprovalRecord,
  about: About,
  moment: Moment,
  answered: boolean,
): RunEvent {
  const { model, modelDigest, scorecardDigest } = subject;
  const inputs = [datasets.candidate(model, modelDigest), datasets.scorecard(model, scorecardDigest)];
  const outputs = answered ? [datasets.stored(`approvals/${model}`, { version: requestId })] : [];
  return teller.event(stageRun(`lifecycle/${requestId}`, 'approve'), moment, { inputs, outputs }, about);
}

export async function lifecycleEvent(
  { store, teller }: Telling,
  lifecycleId: string,
  moment: Moment,
  input?: Input<'ingest'>,
): Promise<RunEvent> {
  const about = input
    ? { pinned: await readJsonBlob(store, input.project, PinnedProject), window: input.window }
    : await planOf(store, lifecycleId);
  return teller.event(lifecycleRun(lifecycleId), moment, nothing, about);
}

/** How a lifecycle ended; and what was under way then ended with it. `errors`: why, by stage, where it is known. */
export interface Settling {
  lifecycleId: string;
  status: string;
  at: string;
  errors: ReadonlyMap<string, string>;
}

/** All of a lifecycle that is over. */
export async function settledEvents(telling: Telling, settling: Settling): Promise<RunEvent[]> {
  const { lifecycleId, status, at } = settling;
  const events: RunEvent[] = [];
  for (const stage of Object.keys(stages) as Stage[]) {
    const recorded = await recordedEvents(telling, lifecycleId, stage);
    events.push(...(recorded.length > 0 ? recorded : await brokenOff(telling, stage, settling)));
  }
  events.push(...(await approvalEvents(telling, lifecycleId.slice('lifecycle/'.length))));
  const began = events.map(({ eventTime }) => eventTime).toSorted()[0] ?? at;
  const tags = { outcome: status };
  const end = { ...endOf(settling, 'lifecycle'), tags };
  return [
    await lifecycleEvent(telling, lifecycleId, { type: 'START', at: began }),
    ...events,
    await lifecycleEvent(telling, lifecycleId, end),
  ];
}

/** A stage that was begun, and of which there is no record. What it was given is not known any more. */
async function brokenOff({ store, teller }: Telling, stage: Stage, settling: Settling): Promise<RunEvent[]> {
  const { lifecycleId } = settling;
  const lease = (await readJson(store, leaseKey(lifecycleId, stage), LeaseRecord))?.value;
  if (!lease) return [];
  const run = stageRun(lifecycleId, stage);
  const about = await planOf(store, lifecycleId);
  const moments: Moment[] = [{ type: 'START', at: lease.at }, endOf(settling, stage)];
  return moments.map((moment) => teller.event(run, moment, nothing, about));
}

/** A business "no" is an end as good as any. */
function endOf({ status, at, errors }: Settling, of: Stage | 'lifecycle'): Moment {
  if (status === 'cancelled') return { type: 'ABORT', at };
  if (status !== 'failed' && of === 'lifecycle') return { type: 'COMPLETE', at };
  const [first] = errors.values();
  const error = errors.get(of) ?? (of === 'lifecycle' ? first : undefined);
  return { type: 'FAIL', at, error: error ?? 'a stage has spent its tries; Temporal knows why' };
}

async function planOf(store: Store, lifecycleId: string): Promise<About> {
  const record = await recordOf(store, lifecycleId, 'ingest');
  const input = record && stages.ingest.input.safeParse(record.input).data;
  if (!input) return {};
  return {
    pinned: await readJsonBlob(store, input.project, PinnedProject),
    window: input.window satisfies Window,
  };
}

const recordOf = async (store: Store, lifecycleId: string, stage: Stage) =>
  (await readJson(store, recordKey(lifecycleId, stage), StageRecord))?.value;
