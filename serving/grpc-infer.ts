/** One inference of the gRPC protocol: tensors with their contents, or as bytes beside them. */
import type { TensorSpec } from '../contracts/serving.ts';
import { kinds } from '../infra/onnx/datatypes.ts';
import type { Values } from '../infra/onnx/datatypes.ts';
import { bytesOf, textOf, valuesOf } from './binary.ts';
import { checkElements, product, readShape, rowsOf } from './decoder.ts';
import type { Column } from './decoder.ts';
import { readId, readOutputParameters, readParameters, wantedOutputs } from './envelope.ts';
import type { Asked, Wanted } from './envelope.ts';
import type { LoadedVersion } from './loaded-version.ts';
import type { Prediction, Question } from './predict.ts';
import { Refusal, shown } from '../infra/refusal.ts';
import type { Element, Elements, Given, Rows } from './rows.ts';

/** What 64 bits come as. */
type Long = { toString(): string } | number;
type Parameters = Record<string, Record<string, unknown>>;
type Contents = Record<string, unknown[]>;

export interface InferRequest {
  model_name: string;
  model_version: string;
  id: string;
  parameters: Parameters;
  inputs: {
    name: string;
    datatype: string;
    shape: Long[];
    parameters: Parameters;
    contents: Contents | null;
  }[];
  outputs: { name: string; parameters: Parameters }[];
  raw_input_contents: Uint8Array[];
}

/** By datatype: the field of the contents that holds it. FP16 is bytes only. */
const fields: Partial<Record<TensorSpec['datatype'], string>> = {
  BOOL: 'bool_contents',
  ...{ INT8: 'int_contents', INT16: 'int_contents', INT32: 'int_contents', INT64: 'int64_contents' },
  ...{ UINT8: 'uint_contents', UINT16: 'uint_contents', UINT32: 'uint_contents', UINT64: 'uint64_contents' },
  ...{ FP32: 'fp32_contents', FP64: 'fp64_contents', BYTES: 'bytes_contents' },
};

export class GrpcQuestion implements Question {
  readonly id: string | undefined;
  readonly key: string | undefined;
  readonly time: string | undefined;
  readonly arrived = performance.now();
  readonly deadline: number;
  /** Whether the outputs are given as bytes, as the inputs were. */
  readonly raw: boolean;
  readonly #request: InferRequest;
  readonly #asked: Asked[] | undefined;

  /** @throws Refusal 400, 501 */
  constructor(request: InferRequest, deadline: number) {
    this.#request = request;
    this.id = readId(request.id);
    const { key, time, timeoutMs, binary } = readParameters(plain(request.parameters));
    this.key = key;
    this.time = time;
    this.deadline = timeoutMs === undefined ? deadline : Math.min(deadline, this.arrived + timeoutMs);
    const { raw_input_contents: raws, inputs, outputs } = request;
    this.raw = binary || raws.length > 0;
    if (raws.length > 0 && raws.length !== inputs.length)
      throw new Refusal(400, `there are ${raws.length} raw_input_contents for ${inputs.length} inputs`);
    this.#asked = outputs.length === 0 ? undefined : outputs.map(({ name }) => ({ name, binary: undefined }));
    for (const { name, parameters } of outputs) readOutputParameters(name, plain(parameters));
  }

  read({ signature, columns }: LoadedVersion): Rows {
    const given: Given[] = Array.from({ length: columns.length });
    this.#request.inputs.forEach((tensor, i) => {
      const at = columns.findIndex(({ spec }) => spec.name === tensor.name);
      if (at === -1) {
        const listed = columns.map(({ spec }) => `"${spec.name}"`).join(', ');
        throw new Refusal(400, `input ${shown(tensor.name)} is unknown; the model takes ${listed}`);
      }
      if (given[at]) throw new Refusal(400, `input ${shown(tensor.name)} is given twice`);
      given[at] = this.#tensor(columns[at]!, tensor, this.#request.raw_input_contents[i]);
    });
    return rowsOf(signature.inputs, given);
  }

  wanted({ signature }: LoadedVersion): readonly Wanted[] {
    return wantedOutputs(signature, this.#asked, this.raw);
  }

  #tensor(column: Column, tensor: InferRequest['inputs'][number], raw: Uint8Array | undefined): Given {
    const { spec } = column;
    const { name, datatype } = spec;
    if ('shared_memory_region' in tensor.parameters)
      throw new Refusal(501, `input "${name}" is in shared memory, which is not taken`);
    if (tensor.datatype !== datatype)
      throw new Refusal(
        400,
        `input "${name}" has datatype ${shown(tensor.datatype)}, expected "${datatype}"`,
      );
    const dims = readShape(spec, tensor.shape.map(Number));
    const elements = product(dims);
    if (raw) {
      if (tensor.contents) throw new Refusal(400, `input "${name}" has both contents and raw_input_contents`);
      return { dims, elements: valuesOf(spec, asBuffer(raw), elements) };
    }
    return { dims, elements: contentsOf(column, tensor.contents ?? {}, dims, elements) };
  }
}

function contentsOf(column: Column, contents: Contents, dims: readonly number[], elements: number): Elements {
  const { name, datatype } = column.spec;
  const field = fields[datatype];
  if (!field)
    throw new Refusal(400, `input "${name}" is ${datatype}, which is taken as raw_input_contents only`);
  const filled = Object.keys(contents).find((other) => other !== field && contents[other]!.length > 0);
  if (filled) throw new Refusal(400, `input "${name}" has ${filled}, expected ${field} for ${datatype}`);
  const values = contents[field] ?? [];
  if (values.length !== elements)
    throw new Refusal(400, `input "${name}" has ${values.length} values, its shape says ${elements}`);
  const plainValues = values.map((value, i) => elementOf(column, value, i));
  checkElements(column, plainValues, elements / dims[0]!);
  return plainValues;
}

/** NaN is what has no value, as in the raw form. */
function elementOf({ spec }: Column, value: unknown, i: number): Element {
  const { datatype, name, nullable } = spec;
  if (datatype === 'BYTES') return textOf(name, i, asBuffer(value as Uint8Array));
  if (datatype.endsWith('INT64')) return BigInt(String(value));
  return nullable && Number.isNaN(value) ? null : (value as Element);
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** @throws Refusal 400 */
function plain(parameters: Parameters): Record<string, unknown> {
  const entries = Object.entries(parameters).map(([name, choice]): [string, unknown] => {
    const [kind] = Object.keys(choice);
    const value = kind && choice[kind];
    if (value === undefined) throw new Refusal(400, `parameter ${shown(name)} has no value`);
    return [name, kind!.endsWith('int64_param') ? Number(String(value)) : value];
  });
  return Object.fromEntries(entries);
}

/** @param raw whether outputs are bytes */
export function answerOf(
  model: string,
  { version, id, route, epoch, ran, wanted }: Prediction,
  raw: boolean,
) {
  const feeds = wanted.map(({ spec, at }) => ({ spec, feed: ran.outputs[at]! }));
  const asBytes = raw || feeds.some(({ spec }) => fields[spec.datatype] === undefined);
  return {
    model_name: model,
    model_version: String(version.version),
    id,
    parameters: { route: { string_param: route }, epoch: { int64_param: epoch } },
    outputs: feeds.map(({ spec: { name, datatype }, feed: { values, dims } }) => ({
      ...{ name, datatype, shape: dims },
      ...(asBytes ? {} : { contents: { [fields[datatype]!]: contents(datatype, values) } }),
    })),
    raw_output_contents: asBytes ? feeds.map(({ feed }) => bytesOf(feed.values)) : [],
  };
}

function contents(datatype: TensorSpec['datatype'], values: Values): unknown[] {
  if (Array.isArray(values)) return values.map((text) => Buffer.from(text, 'utf8'));
  if (datatype === 'BOOL') return Array.from(values as Uint8Array, (value) => value !== 0);
  if (kinds[datatype].bytes === 8 && datatype !== 'FP64') return Array.from(values as BigInt64Array, longOf);
  return Array.from(values as Float64Array);
}

/** As the protobuf library takes 64 bits. */
function longOf(value: bigint): { low: number; high: number; unsigned: boolean } {
  const bits = BigInt.asIntN(64, value);
  return {
    low: Number(BigInt.asIntN(32, bits)),
    high: Number(BigInt.asIntN(32, bits >> 32n)),
    unsigned: value > 0n,
  };
}
