/** Models of other tools become ours: a matrix or named columns in, one answer a row out; or one sentence why not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Column } from '../../contracts/dataset.ts';
import { adopt, AdoptFault, producerOf } from '../../infra/onnx/adopt.ts';
import type { AdoptPlan } from '../../infra/onnx/adopt.ts';
import { graph, modelHeader } from '../../infra/onnx/graph.ts';
import type { Graph } from '../../infra/onnx/graph.ts';
import { encodeModel } from '../../infra/onnx/proto.ts';
import { readSignature } from '../../infra/onnx/signature.ts';
import { openModel } from '../../infra/onnx/session.ts';

const columns: Column[] = [
  { name: 'a', type: 'number' },
  { name: 'b', type: 'integer' },
  { name: 'city', type: 'string' },
];
const plan = (change: Partial<AdoptPlan> = {}): AdoptPlan => ({
  ...{ task: 'binary-classification', columns, order: ['a', 'b'], classes: ['0', '1'] },
  ...change,
});

/** The first column is the probability of the second class; beside it a label, as converters give it. */
function classifier(width: number | string = 2): Graph {
  const g = graph('theirs');
  const x = g.input('X', 'float', ['n', width]);
  const first = g.node('Gather', [x, g.constant('int64', [0])], { axis: 1 });
  const other = g.node('Sub', [g.constant('float', [1]), first]);
  const both = g.node('Concat', [other, first], { axis: 1 });
  g.output('label', g.node('ArgMax', [both], { axis: 1, keepdims: 0 }), 'int64', ['n']);
  g.output('probabilities', both, 'float', ['n', 2]);
  return g;
}

async function answers(bytes: Uint8Array, given: AdoptPlan, rows: Record<string, (number | string)[]>) {
  const { packaged, signature } = adopt(bytes, given);
  assert.deepEqual(readSignature(packaged), signature, 'the file says itself what it takes');
  const model = await openModel(packaged, signature);
  const outputs = await model.run(rows);
  await model.close();
  return { signature, values: Array.from(outputs[signature.outputs[0]!.name]!) };
}

test('a matrix takes the named columns in order, and the second class is the probability', async () => {
  const { signature, values } = await answers(classifier().bytes(), plan({ order: ['b', 'a'] }), {
    a: [9, 9, 9],
    b: [0, 0.25, 1],
  });
  assert.deepEqual(
    signature.inputs.map(({ name, datatype }) => [name, datatype]),
    [
      ['b', 'FP64'],
      ['a', 'FP64'],
    ],
  );
  assert.deepEqual(signature.outputs, [{ name: 'probability', datatype: 'FP32', shape: [-1] }]);
  assert.deepEqual(values, [0, 0.25, 1]);
});

const written = (g: Graph, version: number) =>
  encodeModel({ ...modelHeader, opsetImport: [{ domain: '', version }], graph: g.proto() });

test('an old opset is taken where its operators still mean the same, as LightGBM’s do', async () => {
  const { values } = await answers(written(classifier(), 9), plan(), { a: [0.25, 1], b: [0, 0] });
  assert.deepEqual(values, [0.25, 1]);
});

test('a free width takes all columns of numbers', async () => {
  const numbers = plan({ columns: columns.slice(0, 2), order: undefined });
  const { values } = await answers(classifier('k').bytes(), numbers, { a: [0.5], b: [3] });
  assert.deepEqual(values, [0.5]);
});

test('one input a column: by name, in its own type and shape', async () => {
  const g = graph('theirs');
  const a = g.input('a', 'float', ['n', 1]);
  const b = g.input('b', 'int64', ['n']);
  const city = g.input('city', 'string', ['n', 1]);
  const known = g.node(
    'LabelEncoder',
    [city],
    { keys_strings: ['DEN'], values_int64s: [10], default_int64: 0 },
    'ai.onnx.ml',
  );
  const flat = g.node('Reshape', [known, g.constant('int64', [-1])]);
  const sum = g.node('Add', [
    g.node('Cast', [g.node('Add', [b, flat])], { to: 1 }),
    g.node('Reshape', [a, g.constant('int64', [-1])]),
  ]);
  g.output('variable', g.node('Unsqueeze', [sum, g.constant('int64', [1])]), 'float', ['n', 1]);
  const { signature, values } = await answers(
    g.bytes(),
    plan({ task: 'regression', order: undefined, classes: [] }),
    { a: [0.5, 1], b: [2, 3], city: ['DEN', 'ATL'] },
  );
  assert.deepEqual(
    signature.inputs.map(({ datatype }) => datatype),
    ['FP64', 'FP64', 'BYTES'],
  );
  assert.deepEqual(values, [12.5, 4]);
});

test('class probabilities keep the order that the model says', () => {
  const g = graph('theirs');
  const x = g.input('X', 'float', ['n', 2]);
  const coefficients = [1, 0, 0, 1, 0, 0].map((value) => value + 0.5);
  const attributes = { classlabels_strings: ['c', 'a', 'b'], multi_class: 1, post_transform: 'SOFTMAX' };
  const [label, scores] = g.nodes('LinearClassifier', [x], 2, { ...attributes });
  Object.assign(g.proto().node![0]!, { domain: 'ai.onnx.ml' });
  g.proto().node![0]!.attribute!.push({ name: 'coefficients', type: 6, floats: coefficients });
  g.output('label', label!, 'string', ['n']);
  g.output('probabilities', scores!, 'float', ['n', 3]);
  const given = plan({ task: 'multiclass-classification', classes: ['a', 'b', 'c'] });
  assert.deepEqual(adopt(g.bytes(), given).signature.classes, ['c', 'a', 'b']);
  assert.throws(
    () => adopt(g.bytes(), { ...given, classes: ['a', 'd'] }),
    /the rows have the class d, and the model knows c, a, b/,
  );
});

test('one of our own packages is taken as it is', () => {
  const { packaged, signature } = adopt(classifier().bytes(), plan());
  const again = adopt(packaged, plan({ order: undefined }));
  assert.deepEqual([again.packaged, again.signature], [packaged, signature]);
  assert.throws(() => adopt(packaged, plan({ task: 'regression' })), /a model for binary-classification/);
  assert.throws(
    () => adopt(packaged, plan({ columns: [] })),
    /takes the column a, which the rows do not have/,
  );
});

/** As skl2onnx gives it when nobody asks it not to. */
function zipMap(): Uint8Array {
  const g = graph('theirs');
  g.input('X', 'float', ['n', 2]);
  g.proto().node!.push({ opType: 'Identity', name: 'i', input: ['X'], output: ['map'] });
  const value = { tensorType: { elemType: 1, shape: { dim: [] } } };
  const type = { sequenceType: { elemType: { mapType: { keyType: 7, valueType: value } } } };
  return encodeModel({
    ...modelHeader,
    graph: { ...g.proto(), output: [{ name: 'map', type }] },
  });
}

test('what cannot be taken is told in one sentence that says what would be right', () => {
  const other = (bytes: Uint8Array, change: Partial<AdoptPlan>, sentence: RegExp) =>
    assert.throws(
      () => adopt(bytes, plan(change)),
      (error: unknown) => {
        assert(error instanceof AdoptFault, String(error));
        assert.match(error.message, sentence);
        return true;
      },
    );
  const good = classifier().bytes();
  other(good, { order: ['a'] }, /a matrix of 2 columns, and 1 are given \(a\); .*--columns/);
  other(
    good,
    { order: ['a', 'city'] },
    /a matrix of numbers, and column city is text; leave it out by --columns/,
  );
  other(good, { order: ['a', 'x'] }, /takes a column x, which the rows do not have; they have a,b,city/);
  other(good, { output: 'scores' }, /has no output scores; it has label, probabilities/);
  other(
    good,
    { task: 'multiclass-classification' },
    /none of its outputs \(label, probabilities\) is probabilities/,
  );
  other(zipMap(), {}, /output map is a map for each row \(ZipMap\).*zipmap/);
  other(Buffer.from('PK\u0003\u0004'), {}, /it is a zip archive/);
  other(new Uint8Array(), {}, /it is an empty file/);
  const softened = graph('theirs');
  softened.output('p', softened.node('Softmax', [softened.input('X', 'float', ['n', 2])]), 'float', ['n', 2]);
  other(
    written(softened, 12),
    {},
    /operator Softmax of opset 12 has changed since; export the model for opset 17/,
  );
  other(written(classifier(), 6), {}, /operator Gather of opset 6 has changed since/);
  const strange = graph('theirs');
  strange.output(
    'p',
    strange.node('Exec', [strange.input('X', 'float', ['n', 2])], {}, 'com.evil'),
    'float',
    ['n'],
  );
  other(strange.bytes(), {}, /operator Exec is of the unknown domain com\.evil/);
});

test('the producer is what the file says', () => assert.equal(producerOf(classifier().bytes()), 'esteira'));
