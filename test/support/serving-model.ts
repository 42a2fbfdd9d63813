/** A small real model, published the way `deploy` does: packages in the store, slots that point to them. */
import { Slots } from '../../contracts/serving.ts';
import type { Columns, Package, Signature } from '../../contracts/serving.ts';
import { graph } from '../../infra/onnx/graph.ts';
import type { Graph } from '../../infra/onnx/graph.ts';
import { openModel } from '../../infra/onnx/session.ts';
import { putJsonBlob, readJson, swapJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';

export const signature: Signature = {
  task: 'binary-classification',
  inputs: [
    { name: 'delay', datatype: 'FP64', shape: [-1], nullable: true },
    { name: 'carrier', datatype: 'BYTES', shape: [-1], nullable: true },
    { name: 'cargo', datatype: 'BOOL', shape: [-1] },
    { name: 'at', datatype: 'INT64', shape: [-1], nullable: true, kind: 'timestamp' },
  ],
  outputs: [{ name: 'probability', datatype: 'FP32', shape: [-1] }],
  classes: ['no', 'yes'],
};

export interface Heavy {
  /** Of 256 units that count for next to nothing and cost some 0.5 ms each on 64 rows: 20 make it heavy. */
  layers?: number;
  /** Numbers that lie in memory and are looked up, but count for nothing. */
  ballastBytes?: number;
}

/**
 * sigmoid(weight × delay + carrier + cargo); AA is 1, others 0; the time counts for nothing. NaN in, NaN out.
 */
export function modelBytes(weight: number, { layers = 0, ballastBytes = 0 }: Heavy = {}): Uint8Array {
  const g = graph('test');
  const float = { to: 1 };
  const delay = g.node('Cast', [g.input('delay', 'double', ['rows'])], float);
  const known = g.node(
    'LabelEncoder',
    [g.input('carrier', 'string', ['rows'])],
    { keys_strings: ['AA'], values_int64s: [1], default_int64: 0 },
    'ai.onnx.ml',
  );
  const carrier = g.node('Cast', [known], float);
  const cargo = g.node('Cast', [g.input('cargo', 'bool', ['rows'])], float);
  const at = g.node('Cast', [g.input('at', 'int64', ['rows'])], float);
  const weighted = g.node('Mul', [delay, g.constant('float', [weight])]);
  const nothing = g.node('Mul', [at, g.constant('float', [0])]);
  const terms = [weighted, carrier, cargo, nothing];
  if (layers > 0) terms.push(deep(g, delay, layers));
  if (ballastBytes > 0) {
    const ballast = g.constant('float', new Float32Array(ballastBytes / 4));
    const nowhere = g.node('Mul', ['at', g.constant('int64', [0])]);
    terms.push(g.node('Gather', [ballast, nowhere]));
  }
  const sum = g.node('Sum', terms);
  g.output('probability', g.node('Sigmoid', [sum]), 'float', ['rows']);
  return g.bytes();
}

const units = 256;

function deep(g: Graph, delay: string, layers: number): string {
  const weights = Float32Array.from({ length: units * units }, (_, i) => Math.sin(i) / Math.sqrt(units));
  const square = g.constant('float', weights, [units, units]);
  let hidden = g.node('Unsqueeze', [delay, g.constant('int64', [1])]);
  hidden = g.node('Mul', [hidden, g.constant('float', weights.subarray(0, units), [1, units])]);
  for (let i = 0; i < layers; i++) hidden = g.node('Tanh', [g.node('MatMul', [hidden, square])]);
  const mean = g.node('ReduceMean', [hidden], { axes: [1], keepdims: 0 });
  return g.node('Mul', [mean, g.constant('float', [1e-3])]);
}

/** @param spoil a golden batch the model does not repeat */
export async function publishVersion(
  store: Store,
  version: number,
  weight: number,
  spoil = false,
  heavy: Heavy = {},
) {
  const bytes = modelBytes(weight, heavy);
  const inputs = { delay: [0, 1, -1], carrier: ['AA', 'BB', ''], cargo: [true, false, false], at: [0, 1, 2] };
  return publishModel(store, { model: 'flights', version, bytes, signature, inputs, spoil });
}

interface Published {
  model: string;
  version: number;
  bytes: Uint8Array;
  signature: Signature;
  /** Three rows. */
  inputs: Columns;
  spoil?: boolean;
}

export async function publishModel(store: Store, published: Published) {
  const { version, bytes, inputs, spoil = false, ...known } = published;
  const opened = await openModel(bytes, known.signature);
  const outputs = Array.from((await opened.run(inputs))[known.signature.outputs[0]!.name]!);
  await opened.close();
  const golden = { rows: 3, inputs, outputs: spoil ? [0.1, 0.1, 0.1] : outputs, tolerance: 1e-5 };
  const note = await store.putBlob('note', 'text/plain');
  const content: Package = {
    ...known,
    task: known.signature.task,
    onnx: await store.putBlob(bytes, 'application/onnx'),
    golden: await putJsonBlob(store, golden),
    card: note,
    scorecard: note,
    report: note,
    reference: [],
    metrics: {},
    lifecycleId: `lifecycle/${known.model}/${version}`,
    datasetDigest: note.sha256,
    window: { from: '2001-01-01T00:00:00Z', until: '2001-02-01T00:00:00Z' },
    project: note,
  };
  return { version, package: await putJsonBlob(store, content) };
}

/** The next epoch. @returns its number */
export async function publishSlots(
  store: Store,
  change: Partial<Pick<Slots, 'champion' | 'challenger'>>,
  model = 'flights',
) {
  const key = `models/${model}/current.json`;
  const now = await readJson(store, key, Slots);
  const { champion = null, challenger = null } = { ...now?.value, ...change };
  const epoch = (now?.value.epoch ?? 0) + 1;
  const at = new Date().toISOString();
  const slots = Slots.parse({
    ...{ model, epoch, champion, challenger, previous: null },
    ...{ reason: 'test', by: 'ada', at },
  });
  await swapJson(store, key, slots, now?.etag);
  return epoch;
}
