/**
 * A model that other tools have exported, as one of ours: raw named columns in, one answer a row out.
 *
 * Two shapes are taken. One input that is a matrix of numbers: its columns are those of the rows, in order. Or one input
 * a column, by the column's name. What the model gives is found by its shape: one number a row, or one a class. Labels,
 * which classifiers give beside their probabilities, are left out, for a label alone can be neither ranked nor calibrated.
 */
import type { Column } from '../../contracts/dataset.ts';
import type { Task } from '../../contracts/project.ts';
import type { Signature, TensorSpec } from '../../contracts/serving.ts';
import { answerGraph, chosenOutput, modelClasses } from './adopt-answer.ts';
import { AdoptFault } from './adopt-fault.ts';
import { decodeChecked } from './check.ts';
import type { Port } from './check.ts';
import { graph } from './graph.ts';
import type { Graph } from './graph.ts';
import { merge, renamed } from './merge.ts';
import { otherFormat } from './magic.ts';
import { elementTypes, decodeModel, elementTypeOf, ModelProto, shapeOf } from './proto.ts';
import type { ElementType, Model, ValueInfo } from './proto.ts';
import { scan } from './scan.ts';
import { readSignature, signatureMetadata } from './signature.ts';

export { AdoptFault } from './adopt-fault.ts';

export interface AdoptPlan {
  task: Task;
  /** What the rows have to offer, in their order: without label, key and time. */
  columns: readonly Column[];
  /** The matrix's columns; all that the rows offer, if absent. */
  order?: readonly string[] | undefined;
  output?: string | undefined;
  /** Of the label, as the rows have them; empty for regression. */
  classes: readonly string[];
}

const prefix = 'given/';

/** @throws AdoptFault with a sentence that says what would be right */
export function adopt(bytes: Uint8Array, plan: AdoptPlan): { signature: Signature; packaged: Uint8Array } {
  const model = checked(bytes);
  const own = ownSignature(bytes, plan);
  if (own) return { signature: own, packaged: bytes };
  const inputs = realInputs(model);
  const ports = isMatrix(inputs, plan) ? matrixPorts(inputs[0]!, plan) : namedPorts(inputs, plan);
  const output = chosenOutput(model, plan);
  const classes = modelClasses(model, plan);
  const signature = signatureOf(plan, ports.columns, classes);
  const given = renamedInputs(model, inputs);
  const first = merge(ports.graph, given, { [output.name]: 'answer' }, {});
  const answer = answerGraph(output, plan.task, classes);
  const name = signature.outputs[0]!.name;
  const packaged = merge(
    decodeModel(first),
    ModelProto.decode(answer),
    { [name]: name },
    signatureMetadata(signature),
  );
  return { signature, packaged };
}

/** @returns `skl2onnx 1.17.0`, as the file says itself. @throws AdoptFault for what is no ONNX */
export function producerOf(bytes: Uint8Array): string {
  const { producerName, producerVersion } = checked(bytes);
  return [producerName, producerVersion].filter(Boolean).join(' ').slice(0, 200) || 'unknown';
}

function checked(bytes: Uint8Array): Model {
  const other = otherFormat(bytes);
  if (other) throw new AdoptFault(`it is ${other}, not an ONNX model`);
  const scanned = scan(bytes);
  if (scanned.length > 0) throw new AdoptFault(scanned.join('; '));
  const model = ModelProto.decode(bytes);
  const ports = realInputs(model).map(portOf);
  const known = ports.filter((port): port is Port => port !== undefined);
  if (known.length < ports.length || known.length === 0) {
    const strange = realInputs(model).find((info) => portOf(info) === undefined);
    throw new AdoptFault(
      strange
        ? `its input ${strange.name} is no tensor of numbers or text`
        : 'it is not an ONNX model: it has no inputs',
    );
  }
  const { faults } = decodeChecked(bytes, [...known, ...constantPorts(model)], []);
  if (faults.length > 0) throw new AdoptFault(faults.join('; '));
  return model;
}

/** Old exporters list their weights among the inputs. */
function realInputs({ graph }: Model): ValueInfo[] {
  const weights = new Set((graph?.initializer ?? []).map(({ name }) => name));
  return (graph?.input ?? []).filter(({ name }) => !weights.has(name));
}

function constantPorts({ graph }: Model): Port[] {
  const weights = new Set((graph?.initializer ?? []).map(({ name }) => name));
  return (graph?.input ?? []).filter(({ name }) => weights.has(name)).flatMap((info) => portOf(info) ?? []);
}

function portOf(info: ValueInfo): Port | undefined {
  const type = elementTypeOf(info);
  return type && { name: info.name ?? '', type, rank: shapeOf(info).length };
}

/** One of our own packages is taken as it is. */
function ownSignature(bytes: Uint8Array, { task, columns }: AdoptPlan): Signature | undefined {
  const known = decodeModel(bytes).metadataProps?.some(({ key }) => key === 'esteira.signature');
  if (!known) return undefined;
  const signature = readSignature(bytes);
  if (signature.task !== task)
    throw new AdoptFault(`it is a model for ${signature.task}, and ${task} is asked for`);
  const missing = signature.inputs.find(({ name }) => columns.every((column) => column.name !== name));
  if (missing) throw new AdoptFault(`it takes the column ${missing.name}, which the rows do not have`);
  return signature;
}

function isMatrix(inputs: readonly ValueInfo[], { columns }: AdoptPlan): boolean {
  const [only] = inputs;
  if (inputs.length !== 1 || !only) return false;
  const [, width] = shapeOf(only);
  const named = columns.some(({ name }) => name === only.name);
  return shapeOf(only).length === 2 && !(named && width === 1);
}

interface Ports {
  graph: Model;
  columns: Column[];
}

/** Each column becomes FLOAT[n, 1]; side by side they are the matrix. */
function matrixPorts(input: ValueInfo, plan: AdoptPlan): Ports {
  const { order = plan.columns.map(({ name }) => name) } = plan;
  const columns = order.map((name) => existing(name, plan));
  const [, width] = shapeOf(input);
  if (width !== -1 && width !== columns.length) {
    throw new AdoptFault(
      `it takes a matrix of ${width} columns, and ${columns.length} are given (${list(order)}); name them in its order: --columns ${list(order.slice(0, 3))},…`,
    );
  }
  const text = columns.find(({ type }) => type === 'string' || type === 'timestamp');
  const type = elementTypeOf(input)!;
  if (text || type === 'string') {
    throw new AdoptFault(
      text
        ? `it takes a matrix of numbers, and column ${text.name} is ${text.type === 'string' ? 'text' : 'a timestamp'}; leave it out by --columns, or export the model with one input a column`
        : `its input ${input.name} is a matrix of text; export the model with one input a column`,
    );
  }
  const g = graph('columns');
  const axis = g.constant('int64', [1]);
  const each = columns.map((column) => g.node('Unsqueeze', [cast(g, rawInput(g, column), 'float'), axis]));
  const matrix = g.node('Concat', each, { axis: 1 });
  g.output(prefix + input.name!, type === 'float' ? matrix : cast(g, matrix, type), type, [
    'n',
    columns.length,
  ]);
  return { graph: ModelProto.decode(g.bytes()), columns };
}

/** Each input gets the column of its name, in its own type and shape. */
function namedPorts(inputs: readonly ValueInfo[], plan: AdoptPlan): Ports {
  const g = graph('columns');
  const columns = inputs.map((input) => {
    const column = existing(input.name!, plan);
    const [, width = 1, ...more] = shapeOf(input);
    if (more.length > 0 || width > 1) {
      throw new AdoptFault(
        `its input ${input.name} has the shape [${shapeOf(input).join(', ')}]; one value a row is taken`,
      );
    }
    const type = elementTypeOf(input)!;
    if ((type === 'string') !== (column.type === 'string')) {
      throw new AdoptFault(`its input ${input.name} takes ${type}, and the rows have ${column.type} there`);
    }
    const raw = rawInput(g, column);
    const typed = type === 'string' ? raw : cast(g, raw, type);
    const flat = shapeOf(input).length < 2;
    const shaped = flat ? typed : g.node('Unsqueeze', [typed, g.constant('int64', [1])]);
    g.output(prefix + input.name!, shaped, type, flat ? ['n'] : ['n', 1]);
    return column;
  });
  return { graph: ModelProto.decode(g.bytes()), columns };
}

function existing(name: string, { columns }: AdoptPlan): Column {
  const column = columns.find((one) => one.name === name);
  if (column) return column;
  throw new AdoptFault(
    `it takes a column ${name}, which the rows do not have; they have ${list(columns.map((one) => one.name))}`,
  );
}

const list = (names: readonly string[]) =>
  names.length > 40 ? `${names.slice(0, 40).join(',')},…` : names.join(',');

const raw = {
  number: { element: 'double', datatype: 'FP64' },
  integer: { element: 'double', datatype: 'FP64' },
  string: { element: 'string', datatype: 'BYTES' },
  boolean: { element: 'bool', datatype: 'BOOL' },
  timestamp: { element: 'int64', datatype: 'INT64' },
} as const satisfies Record<Column['type'], { element: ElementType; datatype: TensorSpec['datatype'] }>;

const rawInput = (g: Graph, { name, type }: Column): string => g.input(name, raw[type].element, ['n']);

const cast = (g: Graph, value: string, to: ElementType): string =>
  g.node('Cast', [value], { to: elementTypes[to] });

function renamedInputs(model: Model, inputs: readonly ValueInfo[]): Model {
  const theirs = new Set(inputs.map(({ name }) => name!));
  const graphed = renamed(model.graph!, (name) => (theirs.has(name) ? prefix + name : name));
  return {
    ...model,
    graph: { ...graphed, input: (graphed.input ?? []).filter(({ name }) => name!.startsWith(prefix)) },
  };
}

function signatureOf({ task }: AdoptPlan, columns: readonly Column[], classes: string[]): Signature {
  const inputs = columns.map(({ name, type }): TensorSpec => {
    const { datatype } = raw[type];
    const spec = { name, datatype, shape: [-1] };
    if (type === 'timestamp') return { ...spec, nullable: true, kind: 'timestamp' };
    return type === 'boolean' ? spec : { ...spec, nullable: true };
  });
  if (task === 'regression')
    return { task, inputs, outputs: [{ name: 'prediction', datatype: 'FP32', shape: [-1] }], classes: [] };
  const output: TensorSpec =
    task === 'binary-classification'
      ? { name: 'probability', datatype: 'FP32', shape: [-1] }
      : { name: 'probabilities', datatype: 'FP32', shape: [-1, classes.length] };
  const clash = inputs.find(({ name }) => name === output.name);
  if (clash)
    throw new AdoptFault(`the rows have a column ${clash.name}, as the model's answer is called; rename it`);
  return { task, inputs, outputs: [output], classes };
}
