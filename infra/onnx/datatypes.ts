/**
 * The datatypes of the Open Inference Protocol, as the runtime, ONNX and JavaScript have them. One table, so that no two
 * readers of a tensor can disagree about it.
 */
import type { Tensor } from 'onnxruntime-node';
import type { Datatype } from '../../contracts/serving.ts';
import type { ElementType } from './proto.ts';

/** Elements of one tensor, row-major. BOOL is a byte each, 0 or 1; FP16 the bits of each; BYTES text. */
export type Values = NumberValues | BigInt64Array | BigUint64Array | string[];
export type NumberValues =
  Float64Array | Float32Array | Int32Array | Uint32Array | Int16Array | Uint16Array | Int8Array | Uint8Array;

type TypedValues = Exclude<Values, string[]>;

interface TypedArray {
  new (length: number): TypedValues;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): TypedValues;
}

export interface Kind {
  /** Of an element; 0 where each has a length of its own. */
  bytes: number;
  /** Absent for text, which is a plain array. */
  array?: TypedArray;
  runtime: Tensor.Type;
  onnx: ElementType;
}

export const kinds: Record<Datatype, Kind> = {
  BOOL: { bytes: 1, array: Uint8Array, runtime: 'bool', onnx: 'bool' },
  UINT8: { bytes: 1, array: Uint8Array, runtime: 'uint8', onnx: 'uint8' },
  UINT16: { bytes: 2, array: Uint16Array, runtime: 'uint16', onnx: 'uint16' },
  UINT32: { bytes: 4, array: Uint32Array, runtime: 'uint32', onnx: 'uint32' },
  UINT64: { bytes: 8, array: BigUint64Array, runtime: 'uint64', onnx: 'uint64' },
  INT8: { bytes: 1, array: Int8Array, runtime: 'int8', onnx: 'int8' },
  INT16: { bytes: 2, array: Int16Array, runtime: 'int16', onnx: 'int16' },
  INT32: { bytes: 4, array: Int32Array, runtime: 'int32', onnx: 'int32' },
  INT64: { bytes: 8, array: BigInt64Array, runtime: 'int64', onnx: 'int64' },
  FP16: { bytes: 2, array: Uint16Array, runtime: 'float16', onnx: 'float16' },
  FP32: { bytes: 4, array: Float32Array, runtime: 'float32', onnx: 'float' },
  FP64: { bytes: 8, array: Float64Array, runtime: 'float64', onnx: 'double' },
  BYTES: { bytes: 0, runtime: 'string', onnx: 'string' },
};

/** @returns undefined for a type of the runtime that the protocol has no word for */
export function datatypeOf(runtime: Tensor.Type): Datatype | undefined {
  return (Object.keys(kinds) as Datatype[]).find((datatype) => kinds[datatype].runtime === runtime);
}

/** Those whose elements may be NaN or infinite. FP16 has no form in JSON, and is looked at nowhere. */
export function isFloat(datatype: Datatype): boolean {
  return datatype === 'FP64' || datatype === 'FP32';
}

/** @param bits of an IEEE 754 half. @see IEEE 754-2019, 3.6, binary16 */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
