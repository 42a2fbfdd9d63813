/**
 * Open Inference Protocol v2 over REST, strict: a tensor that does not fit the signature is refused with a
 * sentence that names it, says what was expected and what came. Nothing is rounded, parsed or coerced.
 *
 * @see https://github.com/kserve/open-inference-protocol specification/protocol/inference_rest.md
 */
import type { Columns, Datatype, Signature, TensorSpec } from '../contracts/serving.ts';
import { Refusal, shown } from './refusal.ts';

/** More rows than this in one request hold up everybody else's. */
export const maxRows = 10_000;
const maxIdLength = 200;
/** Of one text: more is no category, and the log keeps each. */
const maxTextLength = 65_536;

/** The parts of a request that do not depend on a model. */
export interface Envelope {
  id: string | undefined;
  /** What a caller sticks to one version by. */
  key: string | undefined;
  /** When it happened, for replays; ISO 8601, UTC. */
  time: string | undefined;
  inputs: unknown[];
  /** Names of the outputs asked for; undefined is all. */
  outputs: string[] | undefined;
}

export interface Rows {
  count: number;
  columns: Columns;
}

/** @throws Refusal 400 */
export function readEnvelope(body: unknown): Envelope {
  const request = objectOf(body, 'the request');
  const { id, parameters = {}, inputs, outputs } = request;
  if (id !== undefined && (typeof id !== 'string' || id.length > maxIdLength)) {
    throw new Refusal(400, `id is ${shown(id)}, expected a string of at most ${maxIdLength} characters`);
  }
  if (!Array.isArray(inputs))
    throw new Refusal(400, `inputs is ${shown(inputs)}, expected an array of tensors`);
  const { key, time } = objectOf(parameters, 'parameters');
  if (key !== undefined && typeof key !== 'string' && typeof key !== 'number') {
    throw new Refusal(400, `parameter key is ${shown(key)}, expected a string or a number`);
  }
  return {
    id: id === '' ? undefined : id,
    key: key === undefined ? undefined : String(key),
    time: time === undefined ? undefined : readTime(time),
    inputs,
    outputs: readOutputs(outputs),
  };
}

/** The rows of a request, as this signature has them. @throws Refusal 400 */
export function decodeRows(signature: Signature, inputs: readonly unknown[]): Rows {
  const tensors = byName(signature, inputs);
  const columns: Columns = {};
  let count: number | undefined;
  for (const spec of signature.inputs) {
    const tensor = tensors.get(spec.name);
    if (!tensor) throw new Refusal(400, `input "${spec.name}" is missing`);
    const rows = readShape(spec, tensor);
    count ??= rows;
    if (rows !== count) {
      throw new Refusal(400, `input "${spec.name}" has ${rows} rows, the inputs before it have ${count}`);
    }
    columns[spec.name] = readData(spec, tensor['data'], rows);
  }
  return { count: count ?? 0, columns };
}

/** @throws Refusal 400 for an output that the model does not give, or asked for twice: an answer for each would do harm */
export function chosenOutputs(signature: Signature, names: readonly string[] | undefined): TensorSpec[] {
  if (!names) return signature.outputs;
  const twice = names.find((name, i) => i > signature.outputs.length || names.indexOf(name) !== i);
  if (twice !== undefined) throw new Refusal(400, `output ${shown(twice)} is asked for twice`);
  return names.map((name) => {
    const spec = signature.outputs.find((output) => output.name === name);
    if (spec) return spec;
    throw new Refusal(400, `output ${shown(name)} is unknown; the model gives ${listed(signature.outputs)}`);
  });
}

/** @param values row-major */
export function encodeOutput(spec: TensorSpec, values: Float32Array, rows: number) {
  const shape = [rows, ...spec.shape.slice(1).map((size) => (size === -1 ? values.length / rows : size))];
  return { name: spec.name, datatype: spec.datatype, shape, data: Array.from(values) };
}

export function describeTensor({ name, datatype, shape }: TensorSpec) {
  return { name, datatype, shape };
}

function byName(signature: Signature, inputs: readonly unknown[]): Map<string, Record<string, unknown>> {
  const tensors = new Map<string, Record<string, unknown>>();
  for (const [index, input] of inputs.entries()) {
    const tensor = objectOf(input, `input ${index}`);
    const { name } = tensor;
    if (typeof name !== 'string') throw new Refusal(400, `input ${index} has no name`);
    if (tensors.has(name)) throw new Refusal(400, `input ${shown(name)} is given twice`);
    if (!signature.inputs.some((spec) => spec.name === name)) {
      throw new Refusal(400, `input ${shown(name)} is unknown; the model takes ${listed(signature.inputs)}`);
    }
    tensors.set(name, tensor);
  }
  return tensors;
}

/** @returns the number of rows */
function readShape({ name, datatype }: TensorSpec, tensor: Record<string, unknown>): number {
  if (tensor['datatype'] !== datatype) {
    throw new Refusal(
      400,
      `input "${name}" has datatype ${shown(tensor['datatype'])}, expected "${datatype}"`,
    );
  }
  const { shape } = tensor;
  if (!Array.isArray(shape) || shape.length !== 1 || !Number.isInteger(shape[0]) || shape[0] < 1) {
    throw new Refusal(400, `input "${name}" has shape ${shown(shape)}, expected [rows] with at least 1 row`);
  }
  const [rows] = shape as [number];
  if (rows > maxRows)
    throw new Refusal(413, `input "${name}" has ${rows} rows, at most ${maxRows} are taken`);
  return rows;
}

function readData(spec: TensorSpec, data: unknown, rows: number): Columns[string] {
  if (!Array.isArray(data))
    throw new Refusal(400, `input "${spec.name}" has data ${shown(data)}, expected an array`);
  if (data.length !== rows) {
    throw new Refusal(400, `input "${spec.name}" has ${data.length} values, its shape says ${rows}`);
  }
  const fits = checks[spec.datatype];
  for (let row = 0; row < rows; row++) {
    const value: unknown = data[row];
    if (fits(value) || (value === null && spec.nullable)) continue;
    const or = spec.nullable ? ' or null' : '';
    throw new Refusal(
      400,
      `input "${spec.name}" row ${row} is ${shown(value)}, expected ${words[spec.datatype]}${or}`,
    );
  }
  return data as Columns[string];
}

/** JSON has no NaN, and JSON.parse has rounded an integer beyond 2^53 before anyone can see it: both are refused. */
const checks: Record<Datatype, (value: unknown) => boolean> = {
  FP64: (value) => typeof value === 'number' && Number.isFinite(value),
  FP32: (value) => typeof value === 'number' && Number.isFinite(value),
  INT64: Number.isSafeInteger,
  BOOL: (value) => typeof value === 'boolean',
  BYTES: (value) => typeof value === 'string' && value.length <= maxTextLength,
};
const words: Record<Datatype, string> = {
  FP64: 'a number',
  FP32: 'a number',
  INT64: 'an integer of at most 2^53',
  BOOL: 'true or false',
  BYTES: `a string of at most ${maxTextLength} characters`,
};

function readOutputs(outputs: unknown): string[] | undefined {
  if (outputs === undefined) return undefined;
  if (!Array.isArray(outputs)) throw new Refusal(400, `outputs is ${shown(outputs)}, expected an array`);
  if (outputs.length === 0) return undefined;
  return outputs.map((output: unknown, index) => {
    const { name } = objectOf(output, `output ${index}`);
    if (typeof name !== 'string') throw new Refusal(400, `output ${index} has no name`);
    return name;
  });
}

/** @returns the same moment in the one form that sorts as text */
export function readTime(time: unknown): string {
  const parsed = typeof time === 'string' && /^\d{4}-\d\d-\d\dT.*Z$/.test(time) ? Date.parse(time) : NaN;
  if (!Number.isNaN(parsed)) return new Date(parsed).toISOString();
  throw new Refusal(400, `time is ${shown(time)}, expected ISO 8601 in UTC such as "2001-01-31T00:00:00Z"`);
}

function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new Refusal(400, `${what} is ${shown(value)}, expected an object`);
}

function listed(specs: readonly TensorSpec[]): string {
  return specs.map(({ name }) => `"${name}"`).join(', ');
}
