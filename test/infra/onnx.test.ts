/** What is let in as a model, and that two graphs become one without their names meeting. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tensor } from 'onnxruntime-node';
import { check } from '../../infra/onnx/check.ts';
import { graph } from '../../infra/onnx/graph.ts';
import { merge } from '../../infra/onnx/merge.ts';
import { decodeModel, encodeModel, TensorProto } from '../../infra/onnx/proto.ts';
import { score } from '../../infra/onnx/score.ts';
import { openSession } from '../../infra/onnx/session.ts';
import { readSignature, signatureMetadata } from '../../infra/onnx/signature.ts';
import type { Signature } from '../../contracts/serving.ts';

const inputs = [{ name: 'x', type: 'float', rank: 1 }] as const;
const outputs = [{ name: 'y', type: 'float', rank: 1 }] as const;

function doubling() {
  const g = graph('same');
  const x = g.input('x', 'float', ['n']);
  g.output('y', g.node('Mul', [x, g.constant('float', [2], [])]), 'float', ['n']);
  return g;
}

test('a plain graph is accepted, and runs', async () => {
  const bytes = doubling().bytes();
  assert.deepEqual(check(bytes, inputs, outputs), []);
  const session = await openSession(bytes);
  const { y } = await session.run({ x: new Tensor('float32', [1, 2.5], [2]) });
  assert.deepEqual([...(y!.data as Float32Array)], [2, 5]);
});

test('data outside the file, unknown operators and other ports are named', () => {
  const outside = decodeModel(doubling().bytes());
  outside.graph!.initializer![0]!.dataLocation = TensorProto.DataLocation.EXTERNAL;
  assert.deepEqual(check(encodeModel(outside), inputs, outputs), [
    'graph.initializer[0] keeps its data outside the file',
  ]);
  const model = decodeModel(doubling().bytes());
  model.graph!.node![0]!.domain = 'evil.corp';
  const faults = check(encodeModel(model), inputs, [{ name: 'z', type: 'float', rank: 1 }]);
  assert.equal(faults.length, 2);
  assert.match(faults.join(), /evil\.corp/);
  assert.match(faults.join(), /output z is missing/);
  const wrong = check(doubling().bytes(), [], [{ name: 'y', type: 'int64', rank: 2 }]);
  assert.deepEqual(wrong, [
    'input x is one nobody gives',
    'output y is float of rank 1, not int64 of rank 2',
  ]);
});

test('external data in the body of a loop is found too', () => {
  const body = graph('body');
  const [turn, on] = [body.input('turn', 'int64', []), body.input('on', 'bool', [])];
  body.output('onOut', on, 'bool', []);
  body.output('sum', body.node('Add', [turn, body.constant('int64', [1], [])]), 'int64', []);
  const outer = graph('outer');
  const count = outer.input('count', 'int64', []);
  outer.output('y', outer.node('Loop', [count, ''], { body: { graph: body.proto() } }), 'int64', ['n']);
  const model = decodeModel(outer.bytes());
  const inner = model.graph!.node![0]!.attribute![0]!.g!;
  inner.initializer![0]!.externalData = [{ key: 'location', value: '/etc/passwd' }];
  const faults = check(encodeModel(model), [{ name: 'count', type: 'int64', rank: 0 }], []);
  assert.match(faults.join(), /outside the file/);
});

test('an operator that meant something else in the file’s opset is named, in inner graphs too', () => {
  const body = graph('body');
  const [turn, on] = [body.input('turn', 'int64', []), body.input('on', 'bool', [])];
  body.output('onOut', on, 'bool', []);
  body.output('sum', body.node('ReduceSum', [turn]), 'int64', []);
  const outer = graph('outer');
  const count = outer.input('count', 'int64', []);
  outer.output('y', outer.node('Loop', [count, ''], { body: { graph: body.proto() } }), 'int64', ['n']);
  const at = (version?: number) => {
    const opsetImport = version === undefined ? [] : [{ domain: '', version }];
    const model = { ...decodeModel(outer.bytes()), opsetImport };
    return check(encodeModel(model), [{ name: 'count', type: 'int64', rank: 0 }], []);
  };
  assert.deepEqual(at(13), []);
  assert.deepEqual(at(), [], 'as the converter of XGBoost leaves it: the newest is meant');
  assert.match(at(12).join(), /^operator ReduceSum of opset 12 has changed since/);
});

test('a port of a type that nothing here uses is a fault, not a crash', () => {
  const model = decodeModel(doubling().bytes());
  model.graph!.output![0]!.type!.tensorType!.elemType = TensorProto.DataType.BFLOAT16;
  assert.deepEqual(check(encodeModel(model), inputs, outputs), [
    'output y is something else of rank 1, not float of rank 1',
  ]);
});

test('merged graphs keep the first one’s inputs, take new output names, and carry the signature', async () => {
  const transform = graph('same');
  const price = transform.input('price', 'double', ['n']);
  transform.output('x', transform.node('Cast', [price], { to: 1 }), 'float', ['n']);
  const signature: Signature = {
    task: 'regression',
    inputs: [{ name: 'price', datatype: 'FP64', shape: [-1], nullable: true }],
    outputs: [{ name: 'prediction', datatype: 'FP32', shape: [-1] }],
    classes: [],
  };
  const [first, second] = [decodeModel(transform.bytes()), decodeModel(doubling().bytes())];
  const merged = merge(first, second, { y: 'prediction' }, signatureMetadata(signature));
  assert.deepEqual(readSignature(merged), signature);
  const predictions = await score(merged, signature, { price: [1, 21, null] });
  assert.deepEqual(predictions, [2, 42, NaN]);
});
