/** A model's rollout from code: where it is, what people may say to it, and what became of those before. */
import { WorkflowNotFoundError } from '@temporalio/client';
import { parse } from '../contracts/failures.ts';
import { Bar, Quarantine, Release } from '../contracts/model.ts';
import type { ModelDescription, ReleaseAnswer } from '../contracts/model.ts';
import { Abort, Intervention, RolloutRecord } from '../contracts/rollout.ts';
import type { InterventionAnswer, RolloutUpdates, RolloutView } from '../contracts/rollout.ts';
import { modelWorkflowId, rolloutWorkflowId } from '../contracts/search.ts';
import { readJson } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';
import { askAgain } from '../infra/temporal.ts';
import { releaseUpdate, rolloutQuery } from '../workflows/messages.ts';
import { NotFound, unlessNotFound } from './errors.ts';
import type { Esteira } from './index.ts';
import { rolloutWork } from './rollout-work.ts';

/** One that is under way, or the record of the last one. */
export type RolloutStatus =
  | { kind: 'under-way'; view: RolloutView }
  | { kind: 'over'; record: RolloutRecord }
  | { kind: 'none'; model: string };

/** @throws {NotFound} when the model was never run */
export async function rolloutStatus(esteira: Esteira, model: string): Promise<RolloutStatus> {
  const described = await known(esteira, model);
  const view = await viewOf(esteira, described);
  if (view && view.outcome === null) return { kind: 'under-way', view };
  for (const { version } of described.versions.toReversed()) {
    const record = (await rolloutRecords(esteira.store, model, version)).at(-1);
    if (record) return { kind: 'over', record };
  }
  return { kind: 'none', model };
}

/** Pauses, resumes, promotes or aborts. A refusal is a value. @throws {NotFound} when the model was never run */
export async function sayToRollout<K extends keyof RolloutUpdates>(
  esteira: Esteira,
  model: string,
  update: K,
  said: RolloutUpdates[K][0],
): Promise<InterventionAnswer> {
  const { rollout } = await known(esteira, model);
  const closed = { accepted: false, code: 'closed', detail: `no rollout of ${model} is under way` } as const;
  if (!rollout) return closed;
  const args: [unknown] = [parse(update === 'abort' ? Abort : Intervention, said)];
  try {
    return await esteira.client.workflow
      .getHandle(rolloutWorkflowId(model, rollout.version))
      .executeUpdate<InterventionAnswer, [unknown]>(update, { args });
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return closed;
    throw error;
  }
}

/** Lifts a quarantine; what was filed stays on file. */
export function release(esteira: Esteira, model: string, order: Release): Promise<ReleaseAnswer> {
  const args: [Release] = [parse(Release, order)];
  const handle = esteira.client.workflow.getHandle(modelWorkflowId(model));
  return askAgain(() => handle.executeUpdate(releaseUpdate, { args })).catch(
    unlessNotFound(`no model ${model} was ever run`),
  );
}

/** What a lifecycle's rollout does just now, for who follows it. */
export async function rolloutLook(esteira: Esteira, lifecycleId: string) {
  const described = await esteira.describe(lifecycleId.split('/')[1]!);
  const view = described?.slots?.challenger ? await viewOf(esteira, described) : undefined;
  return rolloutWork(described, lifecycleId, view);
}

/** Oldest first. */
export async function rolloutRecords(store: Store, model: string, version: number): Promise<RolloutRecord[]> {
  const records: RolloutRecord[] = [];
  for await (const { key } of store.list(`models/${model}/rollouts/${version}/`)) {
    const found = await readJson(store, key, RolloutRecord);
    if (found) records.push(found.value);
  }
  return records.toSorted((a, b) => a.at.localeCompare(b.at));
}

/** Quarantines and releases of a version, oldest first; the last one counts. */
export async function barRecords(store: Store, model: string, version: number): Promise<Bar[]> {
  const key = `models/${model}/quarantine/${version}`;
  const first = await readJson(store, `${key}.json`, Quarantine);
  const bars: Bar[] = first ? [{ kind: 'quarantined', ...first.value }] : [];
  for (let n = 2; ; n++) {
    const next = await readJson(store, `${key}/${n}.json`, Bar);
    if (!next) return bars;
    bars.push(next.value);
  }
}

async function known(esteira: Esteira, model: string): Promise<ModelDescription> {
  const described = await esteira.describe(model);
  if (described) return described;
  throw new NotFound(`no model ${model} was ever run; \`esteira run <project>\` starts its first lifecycle`);
}

/** @returns undefined when none is under way, or it has not begun to answer */
async function viewOf(
  { client }: Esteira,
  { model, rollout }: ModelDescription,
): Promise<RolloutView | undefined> {
  if (!rollout) return undefined;
  try {
    return await client.workflow.getHandle(rolloutWorkflowId(model, rollout.version)).query(rolloutQuery);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
