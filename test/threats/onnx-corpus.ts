/** What is refused before anything opens it: what, the bytes, and what the sentence must say. */
import { gzipSync } from 'node:zlib';
import { graph } from '../../infra/onnx/graph.ts';
import { encodeModel } from '../../infra/onnx/proto.ts';
import type { Attribute, Initializer, Model } from '../../infra/onnx/proto.ts';
import { changed, doubling, field, model, nested, number, outside } from './onnx-bytes.ts';

export type Case = [what: string, bytes: () => Uint8Array, says: RegExp];

/** Files of other formats, named as ONNX. */
export const files: Case[] = [
  ['nothing', () => new Uint8Array(), /an empty file/],
  ['a pickle', () => Buffer.from('\u0080\u0004\u0095cposix\nsystem\n.', 'latin1'), /a pickle/],
  ['an old pickle', () => Buffer.from('(cposix\nsystem\nS"id"\ntR.'), /a pickle/],
  ['a PyTorch file', () => Buffer.from('PK\u0003\u0004archive/data.pkl'), /a zip archive/],
  ['a Keras file', () => Buffer.from('\u0089HDF\r\n', 'latin1'), /HDF5/],
  ['a NumPy array', () => Buffer.from('\u0093NUMPY\u0001', 'latin1'), /NumPy/],
  ['a joblib file', () => Buffer.from([0x78, 0x9c, 1, 2, 3]), /zlib/],
  ['a compressed model', () => gzipSync(doubling()), /gzip/],
  ['a program', () => Buffer.from('\u007fELF\u0002', 'latin1'), /a program/],
  [
    'safetensors',
    () => Buffer.concat([Buffer.from([8, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{"a":1} ')]),
    /safetensors/,
  ],
  [
    'a model with a zip behind it',
    () => Buffer.concat([doubling(), Buffer.from('PK\u0003\u0004')]),
    /field|number/,
  ],
  ['half a model', () => doubling().subarray(0, 150), /ends beyond|does not end|end/],
  ['noise', () => new Uint8Array(4_096).fill(255), /number in it does not end/],
  ['a model without a graph', () => encodeModel({ irVersion: 8 }), /no graph/],
];

const attribute = (value: Partial<Attribute>) =>
  changed(({ graph }) => (graph!.node![0]!.attribute = [{ name: 'value', ...value }]));
const initializer = (tensor: Initializer) =>
  changed(({ graph }) => graph!.initializer!.push({ name: 'w', ...tensor }));
const top = (change: Partial<Model>) => changed((made) => Object.assign(made, change));
const inner = { node: [{ opType: 'Constant', output: ['v'], attribute: [{ name: 'value', t: outside() }] }] };
const floats = (count: number) => new Uint8Array(count * 4);
const sparse = {
  values: { dims: [1], dataType: 1, rawData: floats(1) },
  indices: { dims: [1], dataType: 7, rawData: floats(2) },
};

/** The graph within a graph, as often as said: an `If` in an `If`. */
const deep = (depth: number) => {
  let g: Attribute['g'] = { node: [] };
  for (let i = 0; i < depth; i++) g = { node: [{ opType: 'If', attribute: [{ name: 'then_branch', g }] }] };
  return changed((made) => made.graph!.node!.push({ opType: 'If', attribute: [{ name: 'then_branch', g }] }));
};

export const structures: Case[] = [
  [
    'external data of an initializer',
    () => initializer(outside()),
    /graph\.initializer\[1\] keeps its data outside the file/,
  ],
  ['a location without the flag', () => initializer({ ...outside(), dataLocation: 0 }), /outside the file/],
  ['the flag without a location', () => initializer({ ...outside(), externalData: [] }), /outside the file/],
  ['external data in memory', () => initializer(outside('*/_ORT_MEM_ADDR_/*')), /at an address in memory/],
  [
    'external values of a sparse one',
    () => changed(({ graph }) => (graph!.sparseInitializer = [{ ...sparse, values: outside() }])),
    /sparse_initializer\[0\]\.values keeps/,
  ],
  [
    'external indices of a sparse one',
    () => changed(({ graph }) => (graph!.sparseInitializer = [{ ...sparse, indices: outside() }])),
    /sparse_initializer\[0\]\.indices keeps/,
  ],
  ['external data of a Constant', () => attribute({ t: outside() }), /attribute\[0\]\.t keeps/],
  ['external data in a list of tensors', () => attribute({ tensors: [outside()] }), /tensors\[0\] keeps/],
  [
    'external data of a sparse Constant',
    () => attribute({ sparseTensor: { ...sparse, values: outside() } }),
    /sparse_tensor\.values keeps/,
  ],
  [
    'external data in a list of sparse ones',
    () => attribute({ sparseTensors: [{ ...sparse, indices: outside() }] }),
    /sparse_tensors\[0\]\.indices keeps/,
  ],
  [
    'external data in a subgraph',
    () => attribute({ g: inner }),
    /attribute\[0\]\.g\.node\[0\]\.attribute\[0\]\.t keeps/,
  ],
  [
    'external data in a list of subgraphs',
    () => attribute({ graphs: [{}, inner] }),
    /graphs\[1\]\.node\[0\].*keeps/,
  ],
  [
    'external data in a function',
    () => top({ functions: [{ name: 'f', node: inner.node }] }),
    /functions\[0\]\.node\[0\].*keeps/,
  ],
  [
    'external data in training',
    () => top({ trainingInfo: [{ algorithm: { initializer: [outside()] } }] }),
    /training_info\[0\]\.algorithm.*keeps/,
  ],
  // A decoder of JavaScript takes the last of the two, and would see nothing; C++ merges them, and would read the file.
  ['external data behind a second value', () => twice(), /has t twice/],
  [
    'a second graph',
    () => Buffer.concat([doubling(), field(7, field(5, field(8, Buffer.from('w'))))]),
    /has graph twice/,
  ],
  [
    'a sparse tensor that is dense in memory',
    () => changed(({ graph }) => (graph!.sparseInitializer = [{ ...sparse, dims: [1e9, 1e9] }])),
    /sparse tensor/,
  ],
  [
    'a field that ONNX does not have',
    () => Buffer.concat([doubling(), field(99, Buffer.from('x'))]),
    /field 99/,
  ],
  [
    'a group, which protobuf has given up',
    () => Buffer.concat([doubling(), Buffer.from([0x1b, 0x1c])]),
    /wire type 3/,
  ],
  ['a length of four gigabytes', () => Buffer.from([0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f]), /ends beyond/],
  [
    'a graph in place of a number',
    () => Buffer.concat([doubling(), field(5, Buffer.from('x'))]),
    /model_version as wire type 2/,
  ],
  ['17 graphs in one another', () => deep(17), /at most 16 nest/],
  ['10,000 graphs in one another', () => nested(10_000), /at most 16 nest/],
  ['a million graphs in one another', () => nested(1_000_000), /at most 16 nest/],
  [
    '100,001 operators',
    () => field(7, Buffer.concat(Array.from({ length: 100_001 }, () => empty))),
    /more than 100000 nodes/,
  ],
  [
    'five million texts',
    () => field(7, field(1, Buffer.alloc(10_000_000, empty))),
    /more than 4000000 items/,
  ],
  [
    'a billion elements in twenty bytes',
    () => initializer({ dims: [1e9], dataType: 1, rawData: floats(4) }),
    /16 bytes of data, not 4000000000/,
  ],
  [
    'dimensions whose product overflows',
    () => initializer({ dims: [2 ** 32, 2 ** 32], dataType: 1, rawData: floats(1) }),
    /nothing could hold/,
  ],
  [
    'a negative dimension',
    () => initializer({ dims: [-1], dataType: 1 }),
    /\[-1\], which nothing could hold/,
  ],
  [
    'fewer bytes than its shape',
    () => initializer({ dims: [4], dataType: 7, rawData: floats(4) }),
    /16 bytes of data, not 32/,
  ],
  [
    'more bytes than its shape',
    () => initializer({ dims: [1], dataType: 1, rawData: floats(9) }),
    /36 bytes of data, not 4/,
  ],
  [
    'data in raw and in its field',
    () => initializer({ dims: [1], dataType: 1, rawData: floats(1), floatData: [1] }),
    /data twice/,
  ],
  [
    'data in the field of another type',
    () => initializer({ dims: [1], dataType: 1, int64Data: [1] }),
    /field of another type/,
  ],
  [
    'an element type that does not exist',
    () => initializer({ dims: [1], dataType: 77, rawData: floats(1) }),
    /unknown element type 77/,
  ],
  [
    'a giant output',
    () => changed(({ graph }) => (graph!.valueInfo = [shaped('v', [2 ** 40, 2 ** 40])])),
    /value v .*nothing could hold/,
  ],
  [
    'a custom operator',
    () => changed(({ graph }) => (graph!.node![0]!.domain = 'evil.corp')),
    /unknown domain evil\.corp/,
  ],
  [
    'an operator that opens files',
    () => model((g, x) => g.node('EPContext', [x], { ep_cache_context: '/etc/passwd' }, 'com.microsoft')),
    /unknown domain com\.microsoft/,
  ],
  [
    'a function of its own',
    () => top({ functions: [{ name: 'f', domain: 'mine' }] }),
    /functions of its own/,
  ],
  [
    'an input that nobody gives',
    () => model((g, x) => g.node('Add', [x, g.input('secret', 'float', ['n'])])),
    /input secret is one nobody gives/,
  ],
  [
    'an input twice',
    () => changed(({ graph }) => graph!.input!.push(graph!.input![0]!)),
    /input x is given twice/,
  ],
  ['a value twice', () => changed(({ graph }) => graph!.node!.push(graph!.node![0]!)), /given twice/],
  [
    'a cycle',
    () => changed(({ graph }) => (graph!.node![0]!.input = ['prediction'])),
    /takes prediction, which nothing before it gives/,
  ],
  [
    'an output that nothing gives',
    () => changed(({ graph }) => graph!.node!.pop()),
    /output prediction is given by nothing/,
  ],
  [
    'no output of the name',
    () => changed(({ graph }) => (graph!.output = [])),
    /output prediction is missing/,
  ],
];

const empty = field(1);

function twice(): Uint8Array {
  const bytes = graph('plain');
  bytes.output('y', bytes.constant('float', [1]), 'float', [1]);
  const tensor = field(
    5,
    number(14, 1),
    field(13, field(1, Buffer.from('location')), field(2, Buffer.from('.env'))),
  );
  const innocent = field(5, number(2, 1));
  return field(7, field(1, field(4, Buffer.from('Constant')), field(5, tensor, innocent)));
}

function shaped(name: string, dims: readonly number[]) {
  const dim = dims.map((dimValue) => ({ dimValue }));
  return { name, type: { tensorType: { elemType: 1, shape: { dim } } } };
}
