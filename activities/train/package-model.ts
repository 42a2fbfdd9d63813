/** From a trainer's file to a packaged model: refused or accepted, then joined with the transform. */
import { permanent } from '../../contracts/failures.ts';
import type { PreparedManifest } from '../../contracts/prepared.ts';
import { check } from '../../infra/onnx/check.ts';
import type { Port } from '../../infra/onnx/check.ts';
import { merge } from '../../infra/onnx/merge.ts';
import { decodeModel } from '../../infra/onnx/proto.ts';
import { signatureMetadata } from '../../infra/onnx/signature.ts';

/** @throws `ModelRefused` when the model is not what contracts/trainer.ts asks for */
export function packageModel(
  { layout, signature, task }: Pick<PreparedManifest, 'layout' | 'signature' | 'task'>,
  transform: Uint8Array,
  model: Uint8Array,
  uri: string,
): Uint8Array {
  const numeric: Port = { name: 'numeric', type: 'float', rank: 2 };
  const categorical: Port = { name: 'categorical', type: 'int64', rank: 2 };
  const inputs = [
    ...(layout.numeric.length > 0 ? [numeric] : []),
    ...(layout.categorical.length > 0 ? [categorical] : []),
  ];
  const rank = task === 'multiclass-classification' ? 2 : 1;
  const faults = check(model, inputs, [{ name: 'output', type: 'float', rank }]);
  if (faults.length > 0) throw permanent('ModelRefused', `${uri}: ${faults.join('; ')}`, { uri });
  const output = { output: signature.outputs[0]!.name };
  return merge(decodeModel(transform), decodeModel(model), output, signatureMetadata(signature));
}
