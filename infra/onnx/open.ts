/**
 * From a file to a model that answers, with nothing believed on the way: bounded in size, scanned, checked against
 * its signature, and opened from the very bytes that were checked.
 */
import { open } from 'node:fs/promises';
import type { Ports, Signature, TensorSpec } from '../../contracts/serving.ts';
import { check } from './check.ts';
import type { Port } from './check.ts';
import { kinds } from './datatypes.ts';
import { modelLimits, scan } from './scan.ts';
import { openModel } from './session.ts';
import type { OpenModel } from './session.ts';
import { readSignature } from './signature.ts';

/** The model is at fault, and will be at the next try. Its message says how, in words for whoever made it. */
export class ModelFault extends Error {
  override name = 'ModelFault';
}

/** @param signature the one in the file itself, if absent. @throws ModelFault; what the file system throws */
export function openChecked(
  path: string,
  signature?: Signature,
): Promise<{ signature: Signature; model: OpenModel }>;
export function openChecked(path: string, signature: Ports): Promise<{ signature: Ports; model: OpenModel }>;
export async function openChecked(
  path: string,
  signature?: Ports,
): Promise<{ signature: Ports; model: OpenModel }> {
  const bytes = await readBounded(path);
  const agreed = signature ?? signatureOf(bytes);
  const faults = check(bytes, agreed.inputs.map(portOf), agreed.outputs.map(portOf));
  if (faults.length > 0) throw new ModelFault(faults.join('; '));
  const model = await openModel(bytes, agreed).catch(atFault);
  return {
    signature: agreed,
    model: {
      run: (columns) => model.run(columns).catch(atFault),
      infer: (feeds) => model.infer(feeds).catch(atFault),
      close: () => model.close(),
    },
  };
}

async function readBounded(path: string): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const { bytes } = modelLimits;
    if (size > bytes) throw new ModelFault(`it has ${size} bytes; at most ${bytes} are taken`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function signatureOf(bytes: Uint8Array): Signature {
  const faults = scan(bytes);
  if (faults.length > 0) throw new ModelFault(faults.join('; '));
  try {
    return readSignature(bytes);
  } catch (error) {
    if (error instanceof Error)
      throw new ModelFault('it carries no signature that can be read', { cause: error });
    throw error;
  }
}

/** What the runtime says, without the places in its own source that it says it from. */
function atFault(error: unknown): never {
  const said = (error instanceof Error ? error.message : String(error)).replaceAll(
    /\/\S+\.(cc|h|cpp):\d+\s*/g,
    '',
  );
  throw new ModelFault(`the runtime refuses it: ${said.slice(0, 500)}`, { cause: error });
}

function portOf({ name, datatype, shape }: TensorSpec): Port {
  return { name, type: kinds[datatype].onnx, rank: shape.length };
}
