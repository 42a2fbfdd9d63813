/**
 * Deploy: packages an approved model and registers it, and serves the rollout: asks the entity for
 * shifts of traffic, watches replicas, and, for the entity, writes slots where they take effect.
 */
import type { DeployActivities } from '../../contracts/activities.ts';
import { parse } from '../../contracts/failures.ts';
import type { StageActivities } from '../../contracts/lifecycle.ts';
import { Slots, VersionRecord } from '../../contracts/serving.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { buildPackage } from './package.ts';
import type { PackageDeps } from './package.ts';
import type { ModelMessages } from './messages.ts';
import { recordRollout, writeQuarantine, writeRelease } from './bars.ts';
import { observe } from './observe.ts';
import { settle } from './replicas.ts';
import { recall } from './recall.ts';
import type { RecallDeps } from './recall.ts';
import { writeSlots, writeVersion } from './slots.ts';
import type { SlotsDeps } from './slots.ts';
import { recorded } from '../record.ts';
import { noteLifecycle } from '../standing.ts';

export interface DeployDeps extends PackageDeps, SlotsDeps, RecallDeps {
  models: ModelMessages;
  /** Creates the model's monitoring Schedule, or changes its interval. */
  schedule(model: string, everyMs: number): Promise<void>;
  /** Told when slots have moved, for copies elsewhere; nobody waits for it. */
  onSlots?(model: string): void;
}

export function createDeploy(deps: DeployDeps): Pick<StageActivities, 'deploy'> & DeployActivities {
  const { store, models } = deps;
  return {
    deploy: (unparsed) =>
      recorded(store, 'deploy', unparsed, async (input) => {
        const { stored, onnx } = await buildPackage(deps, input);
        const { lifecycleId, verdict } = input;
        const { model } = verdict.subject;
        await failpoint('deploy:packaged');
        const registration = { lifecycleId, package: stored, onnx, verdict };
        const { version } = await models.update(model, 'register', registration, `register/${lifecycleId}`);
        return {
          output: { version, package: stored },
          inputs: { candidate: onnx, scorecard: input.scorecard.scorecard, project: input.project },
          details: {},
        };
      }),
    requestPromotion: ({ model, updateId, ...request }) =>
      models.update(model, 'requestPromotion', request, updateId),
    shift: ({ model, updateId, ...change }) => models.update(model, 'activate', change, updateId),
    async quarantine({ model, updateId, ...order }) {
      await models.update(model, 'quarantine', order, updateId);
    },
    async tellSettled({ model, updateId, ...settled }) {
      await models.update(model, 'settled', settled, updateId);
      await noteLifecycle(store, model, settled.lifecycleId, settled.status);
    },
    settle: (input) => settle(store, input),
    observe: (input) => observe(deps, input),
    writeVersion: (record) => writeVersion(store, parse(VersionRecord, record)),
    writeSlots: async (slots) => {
      await writeSlots(deps, parse(Slots, slots));
      deps.onSlots?.(slots.model);
    },
    writeQuarantine: (record) => writeQuarantine(store, record),
    writeRelease: (record) => writeRelease(store, record),
    recordRollout: (record) => recordRollout(store, record),
    recall: ({ model }) => recall(deps, model),
    watch: ({ model, everyMs }) => deps.schedule(model, everyMs),
  };
}
