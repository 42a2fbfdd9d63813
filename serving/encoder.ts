/** An answer as the protocol writes it: JSON, and raw tensors behind it where they were asked for. */
import type { TensorSpec } from '../contracts/serving.ts';
import { isFloat } from '../infra/onnx/datatypes.ts';
import type { Values } from '../infra/onnx/datatypes.ts';
import type { Feed } from '../infra/onnx/session.ts';
import { bytesOf } from './binary.ts';
import type { Wanted } from './envelope.ts';
import { Refusal } from '../infra/refusal.ts';

/** What JSON says of NaN and infinity, for which it has no word: a refusal, or null. */
export type NanPolicy = 'refuse' | 'null';

export interface Answered {
  model: string;
  version: string;
  id: string;
  /** Of ours; undefined where there is no belt. */
  parameters: { route: string; epoch: number } | undefined;
  /** In the order of the signature. */
  outputs: readonly Feed[];
}

export interface Encoded {
  json: string;
  /** Of the outputs that are given as bytes, in order. */
  tail: Buffer[];
}

/** @throws Refusal 500 for a number that JSON cannot say */
export function encode(answer: Answered, wanted: readonly Wanted[], nan: NanPolicy): Encoded {
  const tail: Buffer[] = [];
  let outputs = '';
  for (const { spec, at, binary } of wanted) {
    const { values, dims } = answer.outputs[at]!;
    const head = `{"name":${quoted(spec.name)},"datatype":"${spec.datatype}","shape":[${dims.join(',')}],`;
    if (outputs !== '') outputs += ',';
    if (binary) {
      const bytes = bytesOf(values);
      tail.push(bytes);
      outputs += `${head}"parameters":{"binary_data_size":${bytes.length}}}`;
    } else outputs += `${head}"data":[${dataOf(spec, values, nan)}]}`;
  }
  const { model, version, id, parameters } = answer;
  const ours = parameters ? `"parameters":{"route":"${parameters.route}","epoch":${parameters.epoch}},` : '';
  const json = `{"model_name":${quoted(model)},"model_version":"${version}","id":${quoted(id)},${ours}"outputs":[${outputs}]}`;
  return { json, tail };
}

function dataOf(spec: TensorSpec, values: Values, nan: NanPolicy): string {
  const { datatype, name } = spec;
  if (Array.isArray(values)) return values.map(quoted).join(',');
  if (datatype === 'BOOL') return Array.from(values as Uint8Array, (value) => value !== 0).join(',');
  if (datatype === 'FP16')
    throw new Refusal(400, `output "${name}" is FP16, which JSON has no form for; ask for it as binary data`);
  if (!isFloat(datatype)) return values.join(',');
  const at = firstNonFinite(values as Float64Array);
  if (at === -1) return values.join(',');
  if (nan === 'null')
    return Array.from(values as Float64Array, (value) => (Number.isFinite(value) ? value : 'null')).join(',');
  throw new Refusal(500, `output "${name}" value ${at} is ${values[at]}: the model has no answer for it`);
}

function firstNonFinite(values: Float64Array): number {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return i;
  return -1;
}

/** The text in quotes. Most need nothing escaped, and a test is cheaper than the writing. */
export function quoted(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what JSON escapes
  return /["\\\u0000-\u001f\ud800-\udfff]/.test(text) ? JSON.stringify(text) : `"${text}"`;
}
