/** Train: a trainer process makes a model of the prepared parts; it is checked, joined with the transform, and stored. */
import { permanent } from '../../contracts/failures.ts';
import type { StageActivities } from '../../contracts/lifecycle.ts';
import { PinnedProject } from '../../contracts/project.ts';
import { readJsonBlob } from '../../infra/store/json.ts';
import { recorded } from '../record.ts';
import { withWorkFolder } from '../work-folder.ts';
import { attempt } from './attempt.ts';
import type { TrainDeps } from './attempt.ts';
import { adoptCandidate } from './imported.ts';
import { trainOrigin } from './origin.ts';

export type { TrainDeps } from './attempt.ts';

export function createTrain(deps: TrainDeps): Pick<StageActivities, 'train'> {
  return {
    train: (unparsed) =>
      recorded(
        deps.store,
        'train',
        unparsed,
        async (input, lease) => {
          const startedAt = Date.now();
          const { lifecycleId, project, prepared, parameters } = input;
          const pinned = await readJsonBlob(deps.store, project, PinnedProject);
          if (pinned.imported) return adoptCandidate(deps.store, input, pinned, pinned.imported);
          const order = {
            ...{ lifecycleId, project, place: 'train' as const, prepared: prepared.manifest },
            ...(parameters && { parameters }),
          };
          const { model, metrics, steps, details } = await withWorkFolder(deps.workDir, 'train', (folder) =>
            attempt(folder, deps, order, lease),
          );
          if (!model)
            throw permanent('TrainerFailed', 'the training was stopped without a model', { exitCode: null });
          return {
            output: { model, metrics, steps, seconds: (Date.now() - startedAt) / 1_000 },
            inputs: { project, prepared: prepared.manifest },
            details,
          };
        },
        (input) => trainOrigin(deps.store, input),
      ),
  };
}
