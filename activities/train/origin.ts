/** What a trained model follows from: as far as Esteira can see it. */
import type { Input } from '../../contracts/lifecycle.ts';
import { PinnedProject } from '../../contracts/project.ts';
import { codeDigest, nodeDigest } from '../../infra/code-digest.ts';
import { readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import type { Origin } from '../reuse.ts';
import { parametersOf } from './attempt.ts';

export async function trainOrigin(store: Store, input: Input<'train'>): Promise<Origin | string> {
  const { project, files = [], imported } = await readJsonBlob(store, input.project, PinnedProject);
  if (imported) return 'it was trained elsewhere';
  const { trainer } = project;
  if (trainer.backend === 'command') return 'a command may run anything, which no digest covers';
  if (trainer.backend === 'python' && trainer.systemPackages) {
    return 'packages of the machine, which no lock covers, are part of its environment';
  }
  const { seed, device, gpus, budget } = trainer;
  const python =
    trainer.backend === 'python' ? [trainer.use, trainer.script, trainer.requirements, trainer.python] : [];
  return {
    code: codeDigest('activities/train', 'infra/onnx'),
    environment: nodeDigest(),
    parameters: {
      backend: trainer.backend,
      own: parametersOf(trainer),
      over: input.parameters,
      python,
      seed,
      device,
      gpus,
      budget,
    },
    data: {
      prepared: input.prepared.manifest.sha256,
      files: files.map(({ path, artifact }) => [path, artifact.sha256]),
    },
  };
}
