/**
 * Deploy: packages an approved model and registers it, and serves the rollout: asks the entity for
 * shifts of traffic, watches replicas, and, for the entity, writes slots where they take effect.
 */
import { Context } from '@temporalio/activity';
import type { DeployActivities } from '../../contracts/activities.ts';
import { parse } from '../../contracts/failures.ts';
import { stages } from '../../contracts/lifecycle.ts';
import type { StageActivities } from '../../contracts/lifecycle.ts';
import { PinnedProject } from '../../contracts/project.ts';
import { Slots, VersionRecord } from '../../contracts/serving.ts';
import { readJsonBlob } from '../../infra/store/json.ts';
import { buildPackage } from './package.ts';
import type { PackageDeps } from './package.ts';
import type { ModelMessages } from './messages.ts';
import { observe, settle } from './replicas.ts';
import { recall, writeQuarantine } from './recall.ts';
import { writeSlots, writeVersion } from './slots.ts';
import { writeRecord } from '../record.ts';

export interface DeployDeps extends PackageDeps {
  models: ModelMessages;
  /** Creates the model's monitoring Schedule, or changes its interval. */
  schedule(model: string, everyMs: number): Promise<void>;
}

export function createDeploy(deps: DeployDeps): Pick<StageActivities, 'deploy'> & DeployActivities {
  const { store, models } = deps;
  return {
    async deploy(raw) {
      const input = parse(stages.deploy.input, raw);
      const startedAt = new Date();
      const { stored, onnx } = await buildPackage(deps, input);
      const { lifecycleId, verdict } = input;
      const { model } = verdict.subject;
      const registration = { lifecycleId, package: stored, onnx, verdict };
      const { version } = await models.update(model, 'register', registration, `register/${lifecycleId}`);
      const output = { version, package: stored };
      await writeRecord(store, {
        stage: 'deploy',
        lifecycleId,
        attempt: Context.current().info.attempt,
        startedAt,
        input,
        output,
        inputs: { candidate: onnx, scorecard: input.scorecard.scorecard, project: input.project },
        details: {},
      });
      return output;
    },
    requestPromotion: ({ model, updateId, ...request }) =>
      models.update(model, 'requestPromotion', request, updateId),
    shift: ({ model, updateId, ...change }) => models.update(model, 'activate', change, updateId),
    async quarantine({ model, updateId, ...order }) {
      await models.update(model, 'quarantine', order, updateId);
    },
    settle: (input) => settle(store, input),
    async observe(input) {
      const { project } = await readJsonBlob(store, input.project, PinnedProject);
      return observe(store, input, project.rollout, project.task);
    },
    writeVersion: (record) => writeVersion(store, parse(VersionRecord, record)),
    writeSlots: (slots) => writeSlots(store, parse(Slots, slots)),
    writeQuarantine: (record) => writeQuarantine(store, record),
    recall: ({ model }) => recall(store, model),
    watch: ({ model, everyMs }) => deps.schedule(model, everyMs),
  };
}
