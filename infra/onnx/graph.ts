/**
 * Builds ONNX graphs by hand: names in, names out, so that a graph reads like the arithmetic it is.
 *
 * A value is the string that names it. Nothing is inferred or checked here; onnxruntime does both when
 * it opens the model. A graph used as the body of a `Loop` sees the values of the graph around it.
 */
import { AttributeProto, elementTypes, encodeModel } from './proto.ts';
import type {
  Attribute,
  Dimension,
  ElementType,
  GraphProto,
  Initializer,
  Model,
  ValueInfo,
} from './proto.ts';

/** Numbers become INT when whole: write `float(1)` for a FLOAT attribute that happens to be whole. */
type AttributeValue =
  | number
  | string
  | readonly number[]
  | readonly string[]
  | { float: number }
  | { floats: readonly number[] }
  | { graph: GraphProto }
  | { tensor: Initializer };
export type Attributes = Record<string, AttributeValue>;

export interface Graph {
  input(name: string, type: ElementType, shape: readonly Dimension[]): string;
  /** A tensor written into the file. Without `dims` it is one-dimensional; `[]` makes a scalar. */
  constant(type: ElementType, data: Iterable<number | string>, dims?: readonly number[]): string;
  /** @returns the name of the node's only (or first) output. */
  node(op: string, inputs: readonly string[], attributes?: Attributes, domain?: string): string;
  /** A node with `count` outputs. */
  nodes(op: string, inputs: readonly string[], count: number, attributes?: Attributes): string[];
  /** Names `value` for the outside. */
  output(name: string, value: string, type: ElementType, shape: readonly Dimension[]): void;
  proto(): GraphProto;
  /** The whole model. `metadata` travels in its properties. */
  bytes(metadata?: Record<string, string>): Uint8Array;
}

/** IR 8 and opset 17 are the newest that every onnxruntime since 1.13 reads. */
export const modelHeader: Model = {
  irVersion: 8,
  producerName: 'esteira',
  opsetImport: [
    { domain: '', version: 17 },
    { domain: 'ai.onnx.ml', version: 4 },
  ],
};

/** @param name also the prefix of its inner values: unique among graphs that nest. */
export function graph(name: string): Graph {
  const proto = { name, node: [], initializer: [], input: [], output: [] } satisfies GraphProto as GraphProto;
  let count = 0;
  const fresh = (stem: string) => `${name}/${stem}_${count++}`;

  function nodes(
    op: string,
    inputs: readonly string[],
    outputs: number,
    attributes: Attributes = {},
    domain = '',
  ) {
    const output = Array.from({ length: outputs }, () => fresh(op));
    const attribute = Object.entries(attributes).map(([key, value]) => attributeOf(key, value));
    proto.node!.push({ opType: op, domain, name: fresh('node'), input: [...inputs], output, attribute });
    return output;
  }

  return {
    input(inputName, type, shape) {
      proto.input!.push(valueInfo(inputName, type, shape));
      return inputName;
    },
    constant(type, data, dims) {
      const constantName = fresh('constant');
      proto.initializer!.push({ ...tensor(type, data, dims), name: constantName });
      return constantName;
    },
    node: (op, inputs, attributes, domain) => nodes(op, inputs, 1, attributes, domain)[0]!,
    nodes,
    output(outputName, value, type, shape) {
      proto.node!.push({ opType: 'Identity', name: fresh('node'), input: [value], output: [outputName] });
      proto.output!.push(valueInfo(outputName, type, shape));
    },
    proto: () => proto,
    bytes: (metadata = {}) => encodeModel({ ...modelHeader, graph: proto, metadataProps: entries(metadata) }),
  };
}

export const float = (value: number): AttributeValue => ({ float: value });

export function entries(metadata: Record<string, string>): { key: string; value: string }[] {
  return Object.entries(metadata).map(([key, value]) => ({ key, value }));
}

function valueInfo(name: string, type: ElementType, shape: readonly Dimension[]): ValueInfo {
  const dim = shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: elementTypes[type], shape: { dim } } } };
}

/** Little-endian raw bytes, as ONNX stores all but strings. */
export function tensor(
  type: ElementType,
  data: Iterable<number | string>,
  dims?: readonly number[],
): Initializer {
  const values = [...data];
  const shape = { dims: [...(dims ?? [values.length])], dataType: elementTypes[type] };
  if (type === 'string') return { ...shape, stringData: values.map((value) => Buffer.from(String(value))) };
  return { ...shape, rawData: rawBytes(type, values.map(Number)) };
}

function rawBytes(type: ElementType, values: number[]): Uint8Array {
  if (type === 'int64') return bytesOf(BigInt64Array.from(values, BigInt));
  if (type === 'double') return bytesOf(Float64Array.from(values));
  if (type === 'int32') return bytesOf(Int32Array.from(values));
  if (type === 'bool') return Uint8Array.from(values);
  return bytesOf(Float32Array.from(values));
}

const bytesOf = ({ buffer }: { buffer: ArrayBufferLike }) => new Uint8Array(buffer);

function attributeOf(name: string, value: AttributeValue): Attribute {
  const { AttributeType } = AttributeProto;
  if (typeof value === 'string') return { name, type: AttributeType.STRING, s: Buffer.from(value) };
  if (typeof value === 'number') {
    return Number.isInteger(value)
      ? { name, type: AttributeType.INT, i: value }
      : { name, type: AttributeType.FLOAT, f: value };
  }
  if ('float' in value) return { name, type: AttributeType.FLOAT, f: value.float };
  if ('floats' in value) return { name, type: AttributeType.FLOATS, floats: [...value.floats] };
  if ('graph' in value) return { name, type: AttributeType.GRAPH, g: value.graph };
  if ('tensor' in value) return { name, type: AttributeType.TENSOR, t: value.tensor };
  if (typeof value[0] === 'string') {
    return { name, type: AttributeType.STRINGS, strings: value.map((text) => Buffer.from(String(text))) };
  }
  return { name, type: AttributeType.INTS, ints: value.map(Number) };
}
