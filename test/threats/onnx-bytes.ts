/** ONNX models that no exporter would write: plain ones changed field by field, and wire format by hand. */
import { graph } from '../../infra/onnx/graph.ts';
import type { Graph } from '../../infra/onnx/graph.ts';
import { decodeModel, encodeModel } from '../../infra/onnx/proto.ts';
import type { Initializer, Model } from '../../infra/onnx/proto.ts';
import { signatureMetadata } from '../../infra/onnx/signature.ts';
import type { Signature } from '../../contracts/serving.ts';

export const signature: Signature = {
  task: 'regression',
  inputs: [{ name: 'x', datatype: 'FP64', shape: [-1], nullable: true }],
  outputs: [{ name: 'prediction', datatype: 'FP32', shape: [-1] }],
  classes: [],
};
export const inputs = [{ name: 'x', type: 'double', rank: 1 }] as const;
export const outputs = [{ name: 'prediction', type: 'float', rank: 1 }] as const;

/** x as FLOAT and what `make` makes of it, as a package. */
export function model(make: (g: Graph, x: string) => string): Uint8Array {
  const g = graph('hostile');
  const x = g.node('Cast', [g.input('x', 'double', ['n'])], { to: 1 });
  g.output('prediction', make(g, x), 'float', ['n']);
  return g.bytes(signatureMetadata(signature));
}

export const doubling = (): Uint8Array => model((g, x) => g.node('Mul', [x, g.constant('float', [2], [])]));

/** The plain model, changed before it is encoded. */
export function changed(change: (model: Model) => void): Uint8Array {
  const made = decodeModel(doubling());
  change(made);
  return encodeModel(made);
}

/** Where its bytes would be, had somebody else them. */
export const outside = (location = '/etc/passwd'): Initializer => ({
  name: 'w',
  dims: [1],
  dataType: 1,
  dataLocation: 1,
  externalData: [{ key: 'location', value: location }],
});

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

/** A field of bytes, on the wire. */
export function field(number: number, ...content: Uint8Array[]): Buffer {
  const bytes = Buffer.concat(content);
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

export const number = (field: number, value: number): Buffer =>
  Buffer.concat([varint(field * 8), varint(value)]);

/** Graph in attribute in node in graph, and so on, with nothing else in them. */
export function nested(depth: number): Buffer {
  const lengths: number[] = [0];
  const layer = (length: number) => {
    const attribute = length + 1 + varint(length).length;
    const node = attribute + 1 + varint(attribute).length;
    return { attribute, node, graph: node + 1 + varint(node).length };
  };
  for (let i = 0; i < depth; i++) lengths.push(layer(lengths[i]!).graph);
  const heads = lengths
    .slice(0, -1)
    .toReversed()
    .map((length) => {
      const { attribute, node } = layer(length);
      return Buffer.concat([head(1, node), head(5, attribute), head(6, length)]);
    });
  return field(7, Buffer.concat(heads));
}

const head = (number: number, length: number) => Buffer.concat([varint(number * 8 + 2), varint(length)]);
