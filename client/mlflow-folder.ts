/** An MLflow model folder that holds ONNX: which file it is, and where it comes from. */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { ImportOrigin } from '../contracts/imported.ts';
import { unlessCode } from '../infra/errno.ts';

const MlModel = z.looseObject({
  flavors: z.record(z.string(), z.unknown()).default({}),
  run_id: z.string().nullish(),
  model_uuid: z.string().nullish(),
  model_id: z.string().nullish(),
  mlflow_version: z.coerce.string().nullish(),
  utc_time_created: z.coerce.string().nullish(),
});
const OnnxFlavor = z.looseObject({ data: z.string().min(1) });

/**
 * @param path of an ONNX file, or of an MLflow model folder
 * @returns the ONNX file, and what the `MLmodel` file beside it says, if there is one
 * @throws Error in one sentence
 */
export async function onnxAt(path: string): Promise<{ file: string; mlflow?: ImportOrigin['mlflow'] }> {
  const there = await stat(path).catch(unlessCode('ENOENT'));
  if (!there) throw new Error(`${path} does not exist; give an ONNX file, or an MLflow model folder`);
  const given = basename(path) === 'MLmodel' ? dirname(path) : path;
  const folder = there.isDirectory() ? given : dirname(path);
  const text = await readFile(join(folder, 'MLmodel'), 'utf8').catch(unlessCode('ENOENT'));
  const asFolder = there.isDirectory() || given !== path;
  if (text === undefined) {
    if (!asFolder) return { file: path };
    throw new Error(`${path} is a folder without an MLmodel file; give the ONNX file itself`);
  }
  const known = MlModel.safeParse(asYaml(text, join(folder, 'MLmodel')));
  if (!known.success) throw new Error(`${join(folder, 'MLmodel')} is not as MLflow writes it`);
  const { flavors, ...about } = known.data;
  const names = Object.keys(flavors);
  const mlflow = {
    runId: about.run_id ?? null,
    modelUuid: about.model_uuid ?? about.model_id ?? null,
    version: about.mlflow_version ?? null,
    created: about.utc_time_created ?? null,
    flavors: names,
  };
  if (!asFolder) return { file: path, mlflow };
  const { data: flavor } = OnnxFlavor.safeParse(flavors['onnx']);
  if (!flavor) {
    throw new Error(
      `${path} holds no ONNX: its flavors are ${names.join(', ')}; log the model by mlflow.onnx.log_model`,
    );
  }
  return { file: join(folder, flavor.data), mlflow };
}

function asYaml(text: string, path: string): unknown {
  try {
    return parse(text) as unknown;
  } catch (error) {
    throw new Error(`${path} is not YAML: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
