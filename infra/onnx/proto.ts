/** The protobuf classes of ONNX. `onnx-proto` is CommonJS, so everything hangs on its default export. */
import onnxProto from 'onnx-proto';
import type { onnx } from 'onnx-proto';
import { scan } from './scan.ts';

export const { ModelProto, AttributeProto, TensorProto } = onnxProto.onnx;
export type Model = onnx.IModelProto;
export type GraphProto = onnx.IGraphProto;
export type NodeProto = onnx.INodeProto;
export type Attribute = onnx.IAttributeProto;
export type Initializer = onnx.ITensorProto;
export type ValueInfo = onnx.IValueInfoProto;

/** Element types in use, with their numbers in `TensorProto.DataType`. */
export const elementTypes = {
  ...{ float: 1, uint8: 2, int8: 3, uint16: 4, int16: 5, int32: 6, int64: 7 },
  ...{ string: 8, bool: 9, float16: 10, double: 11, uint32: 12, uint64: 13 },
} as const;
export type ElementType = keyof typeof elementTypes;

/** A name is a free dimension: two that share it need not be equal to ONNX, but are to a reader. */
export type Dimension = number | string;

/** @returns undefined for a type that nothing here uses */
export function elementTypeOf(info: ValueInfo): ElementType | undefined {
  const number = info.type?.tensorType?.elemType;
  const found = Object.entries(elementTypes).find(([, value]) => value === number);
  return found?.[0] as ElementType | undefined;
}

/** @returns -1 for a free dimension. */
export function shapeOf(info: ValueInfo): number[] {
  return (info.type?.tensorType?.shape?.dim ?? []).map(({ dimValue }) => (dimValue ? Number(dimValue) : -1));
}

/** The decoder recurses, and makes objects of whatever it meets: nothing gets to it unscanned. @throws Error */
export function decodeModel(bytes: Uint8Array): Model {
  const faults = scan(bytes);
  if (faults.length > 0) throw new Error(`the model cannot be decoded: ${faults.join('; ')}`);
  return ModelProto.decode(bytes);
}

export function encodeModel(model: Model): Uint8Array {
  return ModelProto.encode(model).finish();
}
