/**
 * What a request brings to a model: one tensor for each input, checked, and not copied yet.
 *
 * Elements that came as JSON stay the arrays that the parser made; binary ones stay views on the body. They are copied
 * once, when a batch is put together, or never, when a binary request runs alone.
 */
import type { TensorSpec } from '../contracts/serving.ts';
import { kinds } from '../infra/onnx/datatypes.ts';
import type { Values } from '../infra/onnx/datatypes.ts';
import { nullTimestamp } from '../infra/onnx/session.ts';
import type { Feed } from '../infra/onnx/session.ts';

/** An element of JSON that fits its tensor: null only where the model allows it, bigint only for 64 bits. */
export type Element = number | string | boolean | bigint | null;
/** Row-major. */
export type Elements = readonly Element[] | Values;

export interface Given {
  elements: Elements;
  dims: readonly number[];
}

/** `inputs` are in the order of the signature. */
export interface Rows {
  count: number;
  inputs: readonly Given[];
}

/** One tensor of the rows of several requests, whose trailing dimensions are equal. */
export function gather(spec: TensorSpec, parts: readonly Given[], rows: number): Feed {
  const [first] = parts;
  if (parts.length === 1) return { values: typed(spec, parts), dims: first!.dims };
  return { values: typed(spec, parts), dims: [rows, ...first!.dims.slice(1)] };
}

function typed({ datatype }: TensorSpec, parts: readonly Given[]): Values {
  const [{ elements }] = parts as [Given];
  const { array: TypedArray } = kinds[datatype];
  if (!TypedArray) return texts(parts);
  if (parts.length === 1 && ArrayBuffer.isView(elements)) return elements;
  const values = new TypedArray(parts.reduce((sum, part) => sum + part.elements.length, 0));
  let at = 0;
  for (const part of parts) {
    copy(part.elements, values, at);
    at += part.elements.length;
  }
  return values;
}

function copy(from: Elements, to: Exclude<Values, string[]>, at: number): void {
  if (to instanceof BigInt64Array || to instanceof BigUint64Array) return copyBig(from, to, at);
  if (ArrayBuffer.isView(from)) return to.set(from as Float64Array, at);
  const absent = to instanceof Float64Array || to instanceof Float32Array ? NaN : 0;
  for (let i = 0; i < from.length; i++) {
    const value = from[i] as number | boolean | null;
    to[at + i] = value === null ? absent : Number(value);
  }
}

function copyBig(from: Elements, to: BigInt64Array | BigUint64Array, at: number): void {
  for (let i = 0; i < from.length; i++) {
    const value = from[i] as number | bigint | null;
    to[at + i] = typeof value === 'bigint' ? value : value === null ? nullTimestamp : BigInt(value);
  }
}

function texts(parts: readonly Given[]): string[] {
  const all: string[] = [];
  for (const { elements } of parts) for (const value of elements) all.push((value as string | null) ?? '');
  return all;
}
