/** From a trainer's file to a packaged model: refused or accepted, then joined with the transform. */
import type { PreparedManifest } from '../../contracts/prepared.ts';
import { decodeChecked } from '../../infra/onnx/check.ts';
import type { Port } from '../../infra/onnx/check.ts';
import { merge } from '../../infra/onnx/merge.ts';
import { decodeModel } from '../../infra/onnx/proto.ts';
import { signatureMetadata } from '../../infra/onnx/signature.ts';

export type PackagePlan = Pick<PreparedManifest, 'layout' | 'signature' | 'task'>;

/**
 * From raw named columns to the prediction, in one file.
 *
 * @returns the package; or what is wrong with the model, where it is not what contracts/trainer.ts asks for
 */
export function packageModel(
  { layout, signature, task }: PackagePlan,
  transform: Uint8Array,
  bytes: Uint8Array,
): { faults: string[]; packaged?: Uint8Array } {
  const numeric: Port = { name: 'numeric', type: 'float', rank: 2 };
  const categorical: Port = { name: 'categorical', type: 'int64', rank: 2 };
  const inputs = [
    ...(layout.numeric.length > 0 ? [numeric] : []),
    ...(layout.categorical.length > 0 ? [categorical] : []),
  ];
  const rank = task === 'multiclass-classification' ? 2 : 1;
  const { faults, model } = decodeChecked(bytes, inputs, [{ name: 'output', type: 'float', rank }]);
  if (!model) return { faults };
  const output = { output: signature.outputs[0]!.name };
  return { faults, packaged: merge(decodeModel(transform), model, output, signatureMetadata(signature)) };
}
