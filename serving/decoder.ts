/**
 * From the tensors of a request to rows of one model: compiled once from its signature, strict. A tensor that does not
 * fit is refused with a sentence that names it, says what was expected and what came. Nothing is rounded or coerced.
 *
 * @see https://github.com/kserve/open-inference-protocol specification/protocol/inference_rest.md
 */
import type { Datatype, Ports, TensorSpec } from '../contracts/serving.ts';
import { valuesOf } from './binary.ts';
import type { Tail } from './binary.ts';
import { Refusal, shown } from '../infra/refusal.ts';
import type { Element, Elements, Given, Rows } from './rows.ts';
import { isText, textWords } from './texts.ts';

/** More rows than this in one request hold up everybody else's. */
export const maxRows = 10_000;
/** Of one tensor, for the models that are not rows of columns. */
const maxElements = 2 ** 24;

/** JSON.parse may have rounded it: who reads the body again, exactly, will know. */
export class InexactNumber extends Refusal {
  override name = 'InexactNumber';
}

/** @param tail the bytes behind the JSON, if any. @throws Refusal 400, 413; InexactNumber */
export type Decoder = (tensors: readonly unknown[], tail?: Tail) => Rows;

export function compileDecoder({ inputs }: Ports): Decoder {
  const columns = inputs.map(columnOf);
  const byName = new Map(inputs.map(({ name }, at) => [name, at]));
  const listed = inputs.map(({ name }) => `"${name}"`).join(', ');
  return (tensors, tail) => {
    const given: Given[] = Array.from({ length: columns.length });
    for (let i = 0; i < tensors.length; i++) {
      const tensor = objectOf(tensors[i], `input ${i}`);
      const { name } = tensor;
      if (typeof name !== 'string') throw new Refusal(400, `input ${i} has no name`);
      const at = byName.get(name);
      if (at === undefined)
        throw new Refusal(400, `input ${shown(name)} is unknown; the model takes ${listed}`);
      if (given[at]) throw new Refusal(400, `input ${shown(name)} is given twice`);
      given[at] = readTensor(columns[at]!, tensor, tail);
    }
    if (tail && tail.left > 0)
      throw new Refusal(400, `${tail.left} bytes follow the tensors, expected binary_data_size to name them`);
    return rowsOf(inputs, given);
  };
}

/** @param given one for each input, in order, where it was given. @throws Refusal 400 */
export function rowsOf(inputs: readonly TensorSpec[], given: readonly (Given | undefined)[]): Rows {
  let count: number | undefined;
  inputs.forEach(({ name, shape }, at) => {
    const one = given[at];
    if (!one) throw new Refusal(400, `input "${name}" is missing`);
    if (shape[0] !== -1) return;
    const [rows] = one.dims as [number];
    count ??= rows;
    if (rows !== count)
      throw new Refusal(400, `input "${name}" has ${rows} rows, the inputs before it have ${count}`);
  });
  return { count: count ?? 1, inputs: given as Given[] };
}

/** What is known of an input before any request. */
export interface Column {
  spec: TensorSpec;
  fits(value: unknown): boolean;
  expected: string;
}

export function columnOf(spec: TensorSpec): Column {
  const fits = checks[spec.datatype];
  const words = wordsOf[spec.datatype];
  if (!spec.nullable) return { spec, fits, expected: words };
  return { spec, fits: (value) => fits(value) || value === null, expected: `${words} or null` };
}

function readTensor(column: Column, tensor: Record<string, unknown>, tail: Tail | undefined): Given {
  const { spec } = column;
  const { name, datatype } = spec;
  if (tensor['datatype'] !== datatype) {
    throw new Refusal(
      400,
      `input "${name}" has datatype ${shown(tensor['datatype'])}, expected "${datatype}"`,
    );
  }
  const dims = readShape(spec, tensor['shape']);
  const elements = product(dims);
  const size = binarySize(name, tensor['parameters']);
  if (size === undefined) return { dims, elements: readData(column, tensor['data'], dims, elements) };
  if (tensor['data'] !== undefined)
    throw new Refusal(400, `input "${name}" has both data and binary_data_size, expected one of them`);
  if (!tail)
    throw new Refusal(
      400,
      `input "${name}" has binary_data_size, but the request has no Inference-Header-Content-Length`,
    );
  return { dims, elements: valuesOf(spec, tail.take(name, size), elements) };
}

/** @throws Refusal 400, 413 */
export function readShape(spec: TensorSpec, given: unknown): number[] {
  const { name, shape: expected } = spec;
  if (!Array.isArray(given) || given.length !== expected.length) throw wrongShape(spec, given);
  for (let i = 0; i < expected.length; i++) {
    const size: unknown = given[i];
    const fits = Number.isSafeInteger(size) && (size as number) >= 1;
    if (!fits || (expected[i] !== -1 && size !== expected[i])) throw wrongShape(spec, given);
  }
  const dims = given as number[];
  if (expected[0] === -1 && dims[0]! > maxRows)
    throw new Refusal(413, `input "${name}" has ${dims[0]} rows, at most ${maxRows} are taken`);
  if (product(dims) > maxElements)
    throw new Refusal(413, `input "${name}" has ${product(dims)} elements, at most ${maxElements} are taken`);
  return dims;
}

function wrongShape({ name, shape }: TensorSpec, given: unknown): Refusal {
  const sizes = shape.map((size, i) => (size !== -1 ? size : i === 0 ? 'rows' : 'any'));
  return new Refusal(400, `input "${name}" has shape ${shown(given)}, expected [${sizes.join(', ')}]`);
}

export function product(dims: readonly number[]): number {
  let all = 1;
  for (const size of dims) all *= size;
  return all;
}

function binarySize(name: string, parameters: unknown): number | undefined {
  if (parameters === undefined) return undefined;
  const { binary_data_size: size, shared_memory_region: region } = objectOf(
    parameters,
    `input "${name}" parameters`,
  );
  if (region !== undefined) throw new Refusal(501, `input "${name}" is in shared memory, which is not taken`);
  if (size === undefined || (Number.isSafeInteger(size) && (size as number) >= 0))
    return size as number | undefined;
  throw new Refusal(400, `input "${name}" has binary_data_size ${shown(size)}, expected a number of bytes`);
}

function readData(column: Column, data: unknown, dims: readonly number[], elements: number): Elements {
  const { name, datatype } = column.spec;
  if (!Array.isArray(data))
    throw new Refusal(400, `input "${name}" has data ${shown(data)}, expected an array`);
  if (datatype === 'FP16') throw new Refusal(400, `input "${name}" is FP16, which JSON has no form for`);
  const flat = dims.length > 1 && Array.isArray(data[0]) ? flattened(name, data, dims) : data;
  if (flat.length !== elements)
    throw new Refusal(400, `input "${name}" has ${flat.length} values, its shape says ${elements}`);
  checkElements(column, flat, elements / dims[0]!);
  return flat as Elements;
}

/** @param width elements a row. @throws Refusal 400; InexactNumber */
export function checkElements(
  { spec, fits, expected }: Column,
  values: readonly unknown[],
  width: number,
): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (fits(value)) continue;
    const rounded =
      spec.datatype.endsWith('INT64') && Number.isInteger(value) && !Number.isSafeInteger(value);
    const place = `row ${Math.floor(i / width)}${width > 1 ? ` value ${i % width}` : ''}`;
    const sentence = `input "${spec.name}" ${place} is ${shown(value)}, expected ${expected}`;
    throw rounded ? new InexactNumber(400, sentence) : new Refusal(400, sentence);
  }
}

/** Nested as the shape says, or refused. */
function flattened(name: string, data: readonly unknown[], dims: readonly number[]): Element[] {
  const flat: Element[] = [];
  const walk = (list: unknown, depth: number, place: string): void => {
    if (!Array.isArray(list) || list.length !== dims[depth]) {
      const found = Array.isArray(list) ? `${list.length} values` : shown(list);
      throw new Refusal(400, `input "${name}" data${place} has ${found}, its shape says ${dims[depth]}`);
    }
    if (depth === dims.length - 1) for (const value of list) flat.push(value as Element);
    else list.forEach((one, i) => walk(one, depth + 1, `${place}[${i}]`));
  };
  walk(data, 0, '');
  return flat;
}

const integer = (least: number, most: number) => (value: unknown) =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
/** Parsed exactly, an integer beyond 2^53 is a bigint; a number there was rounded, and does not fit. */
const exact = (least: bigint, most: bigint) => (value: unknown) =>
  typeof value === 'bigint'
    ? value >= least && value <= most
    : Number.isSafeInteger(value) && (least < 0n || (value as number) >= 0);

/** JSON has no NaN. */
const checks: Record<Datatype, (value: unknown) => boolean> = {
  FP64: (value) => typeof value === 'number' && Number.isFinite(value),
  FP32: (value) => typeof value === 'number' && Number.isFinite(Math.fround(value)),
  FP16: () => false,
  INT64: exact(-(2n ** 63n), 2n ** 63n - 1n),
  INT32: integer(-(2 ** 31), 2 ** 31 - 1),
  INT16: integer(-(2 ** 15), 2 ** 15 - 1),
  INT8: integer(-128, 127),
  UINT64: exact(0n, 2n ** 64n - 1n),
  UINT32: integer(0, 2 ** 32 - 1),
  UINT16: integer(0, 2 ** 16 - 1),
  UINT8: integer(0, 255),
  BOOL: (value) => typeof value === 'boolean',
  BYTES: isText,
};

const wordsOf: Record<Datatype, string> = {
  FP64: 'a number',
  FP32: 'a number of 32 bits',
  FP16: 'a number of 16 bits',
  INT64: 'an integer of 64 bits',
  INT32: 'an integer of 32 bits',
  INT16: 'an integer of 16 bits',
  INT8: 'an integer from -128 to 127',
  UINT64: 'an integer of 64 bits from 0',
  UINT32: 'an integer of 32 bits from 0',
  UINT16: 'an integer of 16 bits from 0',
  UINT8: 'an integer from 0 to 255',
  BOOL: 'true or false',
  BYTES: textWords,
};

export function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new Refusal(400, `${what} is ${shown(value)}, expected an object`);
}
