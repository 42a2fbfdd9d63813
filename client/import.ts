/**
 * `esteira import`: a model that was trained elsewhere, on the belt from evaluation on.
 *
 * The file is looked at here, too, so that what cannot be taken is told before a lifecycle starts; the worker looks at
 * it again, for it believes nobody.
 */
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ImportOrigin } from '../contracts/imported.ts';
import type { PinnedProject } from '../contracts/project.ts';
import { sha256 } from '../infra/digest.ts';
import { adopt, AdoptFault, producerOf } from '../infra/onnx/adopt.ts';
import { modelLimits } from '../infra/onnx/scan.ts';
import { pinProject } from '../infra/project-file.ts';
import type { Store } from '../infra/store/store.ts';
import { onnxAt } from './mlflow-folder.ts';
import { sampleProject } from './sample-project.ts';
import type { SampleOptions } from './sample-project.ts';

export interface ImportOptions extends Partial<SampleOptions> {
  by: string;
  /** A project folder: its rows, gates, approval and rollout. */
  project?: string;
  columns?: string[];
  output?: string;
}

/** @returns what a lifecycle is started with. @throws Error in one sentence that says what would be right */
export async function pinImport(store: Store, path: string, options: ImportOptions): Promise<PinnedProject> {
  const { file, mlflow } = await onnxAt(path);
  const { size } = await stat(file).catch((error: unknown) => {
    throw new Error(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  });
  if (size > modelLimits.bytes)
    throw new Error(`${file} has ${size} bytes; models of at most ${modelLimits.bytes} are taken`);
  const bytes = await readFile(file);
  const producer = refusing(file, () => producerOf(bytes));
  const origin: ImportOrigin = {
    ...{
      file: resolve(path),
      sha256: sha256(bytes),
      bytes: size,
      by: options.by,
      at: new Date().toISOString(),
    },
    producer,
    ...(mlflow && { mlflow }),
  };
  const { columns, output, project } = options;
  const pinned = project === undefined ? await ofSample(file, bytes, options) : await pinProject(project);
  const model = await store.putBlob(bytes, 'application/onnx');
  const read = { ...(columns && { columns }), ...(output !== undefined && { output }) };
  return { ...pinned, imported: { model, ...read, origin } };
}

async function ofSample(file: string, bytes: Uint8Array, options: ImportOptions): Promise<PinnedProject> {
  const { model, sample } = options;
  if (model === undefined || sample === undefined)
    throw new Error('give --project, or --model with --sample: the name, and labelled rows to judge it by');
  const { pinned, columns, classes } = await sampleProject({ ...options, model, sample });
  const plan = {
    task: pinned.project.task,
    columns,
    order: options.columns,
    output: options.output,
    classes,
  };
  refusing(file, () => adopt(bytes, plan));
  return pinned;
}

function refusing<T>(file: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof AdoptFault) throw new Error(`${file}: ${error.message}`, { cause: error });
    throw error;
  }
}
