/** What is here, as the protocol describes it. */
import type { TensorSpec } from '../contracts/serving.ts';
import type { Catalogue, Host } from './catalogue.ts';
import { objectOf } from './decoder.ts';
import { named } from './predict.ts';
import { Refusal, shown } from '../infra/refusal.ts';

/** Those that are here whole: of the model repository there is the index only, so it is not among them. */
export const extensions = ['binary_tensor_data', 'parameters'];

const platform = 'onnx_onnxv1';

/** @param asked a version by its number. @throws Refusal 404, 503 */
export function modelMetadata(host: Host, asked: string | undefined) {
  const version =
    asked === undefined ? (host.state.champion ?? host.state.challenger) : named(host, asked).version;
  if (!version) throw new Refusal(503, `model "${host.name}" has no version to serve yet`);
  const { inputs, outputs } = version.signature;
  return {
    name: host.name,
    versions: host.loaded.map((loaded) => String(loaded.version)),
    platform,
    inputs: inputs.map(describeTensor),
    outputs: outputs.map(describeTensor),
  };
}

function describeTensor({ name, datatype, shape }: TensorSpec) {
  return { name, datatype, shape };
}

/**
 * One entry a loaded version; of a model that has none yet, one without.
 *
 * @see https://github.com/triton-inference-server/server docs/protocol/extension_model_repository.md "Index"
 */
export function repositoryIndex({ hosts }: Catalogue, body: unknown) {
  const { ready = false } = body === undefined ? {} : objectOf(body, 'the request');
  if (typeof ready !== 'boolean') throw new Refusal(400, `ready is ${shown(ready)}, expected true or false`);
  const loaded = hosts.flatMap((host) =>
    host.loaded.map(({ version }) => ({
      ...{ name: host.name, version: String(version), state: 'READY' },
      reason: host.state.champion?.version === version ? '' : 'challenger',
    })),
  );
  if (ready) return loaded;
  const missing = hosts.filter(({ loaded: versions }) => versions.length === 0);
  return [
    ...loaded,
    ...missing.map(({ name }) => ({ name, state: 'UNAVAILABLE', reason: 'nothing is loaded yet' })),
  ];
}
