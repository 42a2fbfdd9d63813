/** The train stage of a model that was trained elsewhere: it is on record with where it comes from, and nothing is trained. */
import type { TrainingDetails } from '../../contracts/experiment.ts';
import type { Imported } from '../../contracts/imported.ts';
import type { Input } from '../../contracts/lifecycle.ts';
import { PreparedManifest } from '../../contracts/prepared.ts';
import type { PinnedProject } from '../../contracts/project.ts';
import { nodeDigest } from '../../infra/code-digest.ts';
import { hardware } from '../../infra/hardware.ts';
import { putJsonBlob, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';

export async function adoptCandidate(
  store: Store,
  input: Input<'train'>,
  { gitCommit, gitDiff }: PinnedProject,
  { origin, columns, output }: Imported,
) {
  const { transform } = await readJsonBlob(store, input.prepared.manifest, PreparedManifest);
  const { mlflow, ...file } = origin;
  const details: TrainingDetails = {
    backend: 'imported',
    parameters: {
      ...{ file: file.file, sha256: file.sha256, producer: file.producer, by: file.by, at: file.at },
      ...(columns && { columns: columns.join(',') }),
      ...(output !== undefined && { output }),
      ...(mlflow && { mlflow }),
    },
    seed: 0,
    ...{ data: input.prepared.manifest.sha256, project: input.project.sha256, code: origin.sha256 },
    environment: { digest: nodeDigest(), node: process.version },
    git: { commit: gitCommit, ...(gitDiff && { diff: gitDiff }) },
    hardware: { ...hardware(), device: 'cpu', devices: [] },
    series: await putJsonBlob(store, {}),
    log: await store.putBlob(`imported from ${origin.file}\n`, 'text/plain'),
    ...{ seconds: 0, cost: null, resumedFrom: null, stopped: null, batchScale: 1, agreement: null },
  };
  return {
    output: { model: transform, metrics: {}, steps: 0, seconds: 0, importedFrom: origin.file.slice(-200) },
    inputs: { project: input.project, prepared: input.prepared.manifest },
    details,
  };
}
