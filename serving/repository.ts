/** What is here, as the protocol describes it. */
import type { TensorSpec } from '../contracts/serving.ts';
import type { Catalogue } from './catalogue.ts';
import { objectOf } from './decoder.ts';
import { Refusal, shown } from './refusal.ts';

export function describeTensor({ name, datatype, shape }: TensorSpec) {
  return { name, datatype, shape };
}

/**
 * One entry a loaded version; of a model that has none yet, one without.
 *
 * @see https://github.com/triton-inference-server/server docs/protocol/extension_model_repository.md "Index"
 */
export function repositoryIndex({ hosts }: Catalogue, body: unknown) {
  const { ready = false } = body === undefined ? {} : objectOf(body, 'the request');
  if (typeof ready !== 'boolean')
    throw new Refusal(400, `ready is ${shown(ready)}, expected true or false`);
  const loaded = hosts.flatMap((host) =>
    host.loaded.map(({ version }) => ({
      ...{ name: host.name, version: String(version), state: 'READY' },
      reason: host.state.champion?.version === version ? '' : 'challenger',
    })),
  );
  if (ready) return loaded;
  const missing = hosts.filter(({ loaded: versions }) => versions.length === 0);
  return [...loaded, ...missing.map(({ name }) => ({ name, state: 'UNAVAILABLE', reason: 'nothing is loaded yet' }))];
}
