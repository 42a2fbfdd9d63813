/**
 * Retrain: asks whether a rule of the project fires on a tick, and if so tells the model entity,
 * which alone decides. All rules of one tick are one trigger, named after the tick: told twice, it
 * counts once.
 */
import type { RetrainActivities } from '../../contracts/activities.ts';
import { LedgerEntry } from '../../contracts/model.ts';
import { TickRecord } from '../../contracts/monitor.ts';
import type { RetrainAnswer, TickSummary } from '../../contracts/monitor.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { createJson, readJson, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import type { ModelMessages } from '../deploy/messages.ts';
import { openSources } from '../ingest/sources.ts';
import { selectWindow } from '../ingest/select.ts';
import { championOf } from '../monitor/index.ts';
import { ledgerKey } from './ledger.ts';
import { fired } from './rules.ts';
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
      const champion = await championOf(deps.store, model);
      if (!champion) return [];
      const record = await readJsonBlob(deps.store, tick.record, TickRecord);
      const rules = await fired(champion.project, record, {
        lookedUntil: champion.made.window.until,
        newRows: () => newRows(deps, champion, tick),
      });
      if (rules.length === 0) return [];
      const trigger = {
        id: `${rules[0]!.kind}/${model}/${tick.tick}`,
        kind: rules[0]!.kind,
        by: 'monitor',
        reason: rules
          .map(({ reason }) => reason)
          .join('; ')
          .slice(0, 2_000),
        at: tick.window.until,
      };
      await failpoint('retrain:fired');
      const disposition = await deps.models.update(model, 'trigger', { trigger }, `trigger/${trigger.id}`);
      await failpoint('retrain:triggered');
      return rules.map(({ rule, reason }): RetrainAnswer => ({ rule, reason, disposition }));
    },
    async recordDisposition({ model, request, disposition }) {
      const { trigger } = request;
      // The first answer stands: the entity asks here before it acts, so another can only come from a reset.
      await createJson(deps.store, ledgerKey(model, trigger.id), { trigger, disposition });
      await failpoint('retrain:filed');
    },
    async findDisposition({ model, id }) {
      const filed = await readJson(deps.store, ledgerKey(model, id), LedgerEntry);
      return filed?.value.disposition ?? null;
    },
    isRunning: async ({ lifecycleId }) => (await deps.findLifecycle(lifecycleId))?.running ?? false,
  };
}

/** Rows that the project's query finds between the champion's data and this tick. */
async function newRows(
  deps: RetrainDeps,
  champion: NonNullable<Awaited<ReturnType<typeof championOf>>>,
  tick: TickSummary,
): Promise<number> {
  const window = { from: champion.made.window.until, until: tick.window.until };
  if (window.from >= window.until) return 0;
  return withEngine(deps, 'retrain', async (db) => {
    await openSources(db, champion.pinned, deps.store);
    const query = selectWindow(champion.pinned.sql, window);
    const [found] = await db.rows<{ n: number }>(`SELECT count(*) AS n FROM (${query})`);
    return found!.n;
  });
}
