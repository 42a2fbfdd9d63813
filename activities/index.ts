/** Every activity that a CPU worker registers, and the one that a GPU worker does. */
import type { AllActivities } from '../contracts/activities.ts';
import { createAlerts } from './alerts/index.ts';
import type { AlertDeps } from './alerts/index.ts';
import { createApprove } from './approve/index.ts';
import { createDeploy } from './deploy/index.ts';
import type { DeployDeps } from './deploy/index.ts';
import { createEvaluate } from './evaluate/index.ts';
import type { EvaluateDeps } from './evaluate/index.ts';
import { createIngest } from './ingest/index.ts';
import type { Lineage } from './lineage/index.ts';
import { createMonitor } from './monitor/index.ts';
import type { MonitorDeps } from './monitor/index.ts';
import { createPrepare } from './prepare/index.ts';
import type { PrepareDeps } from './prepare/index.ts';
import { createRetrain } from './retrain/index.ts';
import type { RetrainDeps } from './retrain/index.ts';
import { createScore } from './score/index.ts';
import type { ScoreDeps } from './score/index.ts';
import { createSearch } from './train/search/index.ts';
import type { Track } from './track/index.ts';
import { createTrain } from './train/index.ts';
import type { TrainDeps } from './train/index.ts';
import { createQueue } from './train/queue.ts';
import type { QueueDeps } from './train/queue.ts';
import { createValidate } from './validate/index.ts';

export type CpuDeps = AlertDeps &
  DeployDeps &
  EvaluateDeps &
  MonitorDeps &
  PrepareDeps &
  RetrainDeps &
  ScoreDeps &
  TrainDeps &
  QueueDeps & { tracking: Pick<Track, 'track'>; lineage?: Pick<Lineage, 'settle'> | undefined };

export function createCpuActivities(deps: CpuDeps): AllActivities {
  return {
    ...createIngest(deps),
    ...createValidate(deps),
    ...createPrepare(deps),
    ...createTrain(deps),
    ...createSearch(deps),
    ...createQueue(deps),
    async track(input) {
      await deps.lineage?.settle(input);
      return deps.tracking.track(input);
    },
    ...createEvaluate(deps),
    ...createApprove(deps),
    ...createDeploy(deps),
    ...createMonitor(deps),
    ...createAlerts(deps),
    ...createRetrain(deps),
    ...createScore(deps),
  };
}

export function createGpuActivities(deps: TrainDeps): Pick<AllActivities, 'train' | 'trial'> {
  const { trial } = createSearch(deps);
  return { ...createTrain(deps), trial };
}
