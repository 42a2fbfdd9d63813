/** A raw binary request: the body is one tensor and nothing else, of a model that has one input, and all outputs come back as bytes. */
import { kinds } from '../infra/onnx/datatypes.ts';
import type { Host } from './catalogue.ts';
import { product } from './decoder.ts';
import { Refusal } from '../infra/refusal.ts';

/**
 * @returns the request as it would be written with its JSON
 * @throws Refusal 400 when the model leaves open what the bytes are
 * @see https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_binary_data.html "Raw Binary Request"
 */
export function rawRequest(host: Host, bytes: number): unknown {
  const { inputs } = (host.state.champion ?? host.state.challenger)?.signature ?? { inputs: [] };
  const [spec] = inputs;
  if (!spec) throw new Refusal(503, `model "${host.name}" has no version to serve yet`);
  const { name, datatype, shape } = spec;
  if (inputs.length > 1 || shape.slice(1).includes(-1))
    throw new Refusal(
      400,
      `model "${host.name}" has more than one tensor or shape, so a request needs its JSON`,
    );
  const dims = shape.map((size) => (size === -1 ? 1 : size));
  const expected = product(dims) * kinds[datatype].bytes;
  if (kinds[datatype].bytes > 0 && expected !== bytes)
    throw new Refusal(
      400,
      `input "${name}" has ${bytes} bytes, expected ${expected}: [${dims.join(', ')}] of ${datatype}`,
    );
  return {
    parameters: { binary_data_output: true },
    inputs: [{ name, datatype, shape: dims, parameters: { binary_data_size: bytes } }],
  };
}
