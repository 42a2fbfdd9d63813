/**
 * Retrain: asks whether a rule of the project fires on a tick, and if so tells the model entity,
 * which alone decides. All rules of one tick are one trigger, named after the tick: told twice, it
 * counts once.
 */
import type { RetrainActivities } from '../../contracts/activities.ts';
import { LedgerEntry } from '../../contracts/model.ts';
import { TickRecord } from '../../contracts/monitor.ts';
import type { RetrainAnswer, TickSummary } from '../../contracts/monitor.ts';
import { Slots, VersionRecord } from '../../contracts/serving.ts';
import { ModelName } from '../../contracts/artifact.ts';
import { parse } from '../../contracts/failures.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { createJson, readJson, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import type { ModelMessages } from '../deploy/messages.ts';
import { openSources } from '../ingest/sources.ts';
import { selectWindow } from '../ingest/select.ts';
import { championOf } from '../monitor/champion.ts';
import type { Champion } from '../monitor/champion.ts';
import { versionKey } from '../deploy/slots.ts';
import { askedBefore, firstAsked } from './asked.ts';
import type { Asked } from './asked.ts';
import { ledgerKey } from './ledger.ts';
import { fired } from './rules.ts';
import { changedSince } from './since.ts';
import { spentSince } from './spent.ts';
import { noteLifecycle } from '../standing.ts';
import { withEngine } from '../engine.ts';
import type { EngineDeps } from '../engine.ts';

export interface RetrainDeps extends EngineDeps {
  store: Store;
  models: ModelMessages;
  findLifecycle(workflowId: string): Promise<{ running: boolean } | null>;
}

export function createRetrain(deps: RetrainDeps): RetrainActivities {
  return {
    async retrain({ model, tick }) {
      const asked = (await askedBefore(deps.store, model, tick.tick)) ?? (await ask(deps, model, tick));
      if (!asked) return [];
      const { rules, trigger } = asked;
      await failpoint('retrain:fired');
      const disposition = await deps.models.update(model, 'trigger', { trigger }, `trigger/${trigger.id}`);
      await failpoint('retrain:triggered');
      return rules.map(({ rule, reason }): RetrainAnswer => ({ rule, reason, disposition }));
    },
    async recordDisposition({ model, request, disposition }) {
      const { trigger } = request;
      // The first answer stands: the entity asks here before it acts, so another can only come from a reset.
      const at = new Date().toISOString();
      await createJson(deps.store, ledgerKey(model, trigger.id), { trigger, disposition, at });
      await failpoint('retrain:filed');
      if (disposition.status === 'started')
        await noteLifecycle(deps.store, model, disposition.lifecycleId, null);
    },
    async findDisposition({ model, id }) {
      const filed = await readJson(deps.store, ledgerKey(model, id), LedgerEntry);
      return filed?.value.disposition ?? null;
    },
    spent: ({ model, since }) => spentSince(deps.store, model, since),
    isRunning: async ({ lifecycleId }) => (await deps.findLifecycle(lifecycleId))?.running ?? false,
  };
}

/** @returns undefined when no rule fires */
async function ask(deps: RetrainDeps, model: string, tick: TickSummary): Promise<Asked | undefined> {
  const champion = await championOf(deps.store, model);
  if (!champion) return undefined;
  const record = await readJsonBlob(deps.store, tick.record, TickRecord);
  const rules = await fired(champion.project, record, {
    lookedUntil: champion.made.window.until,
    newRows: () => newRows(deps, champion, tick),
    championSince: (upstream) => championSince(deps.store, upstream),
    registeredAt: (await registeredAt(deps.store, model, champion.version)) ?? tick.window.until,
  });
  const [first] = rules;
  if (!first) return undefined;
  const since = await changedSince(deps.store, model, record);
  const trigger = {
    ...{ id: `${first.kind}/${model}/${tick.tick}`, kind: first.kind, by: 'monitor' },
    reason: rules
      .map(({ reason }) => reason)
      .join('; ')
      .slice(0, 2_000),
    at: tick.window.until,
    ...(since !== undefined && { since }),
  };
  return firstAsked(deps.store, model, tick.tick, { rules, trigger });
}

/** Rows that the project's query finds between the champion's data and this tick. */
async function newRows(deps: RetrainDeps, champion: Champion, tick: TickSummary): Promise<number> {
  const window = { from: champion.made.window.until, until: tick.window.until };
  if (window.from >= window.until) return 0;
  return withEngine(deps, 'retrain', async (db) => {
    await openSources(db, champion.pinned, deps.store);
    const query = selectWindow(champion.pinned.sql, window);
    const [found] = await db.rows<{ n: number }>(`SELECT count(*) AS n FROM (${query})`);
    return found!.n;
  });
}

/** When the version that serves took over. */
async function championSince(store: Store, model: string): Promise<{ version: number; at: string } | null> {
  const slots = (await readJson(store, `models/${parse(ModelName, model)}/current.json`, Slots))?.value;
  if (!slots?.champion) return null;
  let first = slots;
  // Slots change for other reasons, too: back to where this champion was not there yet.
  for (let epoch = slots.epoch - 1; epoch > 0; epoch--) {
    const before = (await readJson(store, `models/${model}/slots/${epoch}.json`, Slots))?.value;
    if (before?.champion?.version !== slots.champion.version) break;
    first = before;
  }
  return { version: slots.champion.version, at: first.at };
}

async function registeredAt(store: Store, model: string, version: number): Promise<string | undefined> {
  return (await readJson(store, versionKey(model, version), VersionRecord))?.value.registeredAt;
}
