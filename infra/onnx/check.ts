/**
 * What a model file must be before anything opens it: one file, whole in itself, known operator domains, the inputs
 * and outputs that its contract names. A model comes from a trainer, which may be anybody's program.
 *
 * Every model is checked wherever it is about to be opened, not only where it came in: what lies in a store may have
 * been put there by others. `scan.ts` looks at the bytes, this at what they mean.
 */
import { elementTypeOf, ModelProto, shapeOf } from './proto.ts';
import type { Attribute, ElementType, GraphProto, Model, NodeProto, ValueInfo } from './proto.ts';
import { otherFormat } from './magic.ts';
import { opsetFaults } from './opset.ts';
import { scan } from './scan.ts';
import { shapeFault, tensorFault } from './tensors.ts';

/** A named tensor. `rank` counts dimensions. */
export interface Port {
  name: string;
  type: ElementType;
  rank: number;
}

/** Standard ONNX and its classic machine learning: what has a specification, and no operator that opens files. */
const knownDomains = new Set(['', 'ai.onnx', 'ai.onnx.ml']);

/** A sentence with more than these helps nobody. */
const faultsAtMost = 10;

/** @returns what is wrong, one sentence each; none means accepted. */
export function check(bytes: Uint8Array, inputs: readonly Port[], outputs: readonly Port[]): string[] {
  return decodeChecked(bytes, inputs, outputs).faults;
}

/** For who needs the model, too: to decode it costs as much as to check it. @returns no model where there are faults */
export function decodeChecked(
  bytes: Uint8Array,
  inputs: readonly Port[],
  outputs: readonly Port[],
): { faults: string[]; model?: Model } {
  const other = otherFormat(bytes);
  if (other) return { faults: [`it is ${other}, not an ONNX model`] };
  const scanned = scan(bytes);
  if (scanned.length > 0) return { faults: scanned };
  const model = ModelProto.decode(bytes);
  const faults = modelFaults(model, inputs, outputs).slice(0, faultsAtMost);
  return faults.length > 0 ? { faults } : { faults, model };
}

function modelFaults(model: Model, inputs: readonly Port[], outputs: readonly Port[]): string[] {
  const { graph, functions } = model;
  if (!graph?.node?.length) return ['it is not an ONNX model: it has no graph'];
  return [
    ...(functions?.length ? ['it defines functions of its own'] : []),
    ...portFaults('input', graph.input ?? [], inputs),
    ...portFaults('output', graph.output ?? [], outputs),
    ...graphFaults(graph, undefined),
    ...opsetFaults(model),
  ];
}

/** Names that a node may take: those of its graph so far, and of the graphs around it. */
interface Scope {
  names: Set<string>;
  outer: Scope | undefined;
}

function sees(scope: Scope | undefined, name: string): boolean {
  for (let at = scope; at; at = at.outer) if (at.names.has(name)) return true;
  return false;
}

/** Each name is given once, and before it is taken: ONNX asks for both, and so no graph has a cycle. */
function graphFaults(graph: GraphProto, outer: Scope | undefined): string[] {
  const faults: string[] = [];
  const scope: Scope = { names: new Set(), outer };
  const give = (name: string, what: string) => {
    if (scope.names.has(name)) faults.push(`${what} ${name} is given twice`);
    scope.names.add(name);
  };
  for (const input of graph.input ?? []) give(input.name ?? '', 'input');
  for (const tensor of graph.initializer ?? []) give(tensor.name ?? '', 'tensor');
  if (graph.sparseInitializer?.length) faults.push(sparse);
  const values = [...(graph.input ?? []), ...(graph.output ?? []), ...(graph.valueInfo ?? [])];
  faults.push(
    ...(graph.initializer ?? []).map(tensorFault).filter((fault) => fault !== undefined),
    ...values.map((info) => shapeFault('value', info)).filter((fault) => fault !== undefined),
  );
  for (const node of graph.node ?? []) {
    faults.push(...nodeFaults(node, scope));
    for (const output of node.output ?? []) if (output !== '') give(output, 'value');
    if (faults.length > faultsAtMost) return faults;
  }
  const missing = (graph.output ?? []).filter(({ name }) => !sees(scope, name ?? ''));
  return [...faults, ...missing.map(({ name }) => `output ${name} is given by nothing`)];
}

/** A runtime makes a dense tensor of it: a few bytes become as many as its shape says. */
const sparse = 'it has a sparse tensor, which is not taken';

function nodeFaults(node: NodeProto, scope: Scope): string[] {
  const faults = (node.input ?? [])
    .filter((input) => input !== '' && !sees(scope, input))
    .map((input) => `operator ${node.opType} takes ${input}, which nothing before it gives`);
  if (!knownDomains.has(node.domain ?? '')) {
    faults.push(`operator ${node.opType} is of the unknown domain ${node.domain}`);
  }
  return [...faults, ...(node.attribute ?? []).flatMap((attribute) => attributeFaults(attribute, scope))];
}

function attributeFaults(attribute: Attribute, scope: Scope): string[] {
  const { t, g, tensors, graphs, sparseTensor, sparseTensors } = attribute;
  const held = [...(t ? [t] : []), ...(tensors ?? [])];
  const inner = [...(g ? [g] : []), ...(graphs ?? [])];
  return [
    ...held.map(tensorFault).filter((fault) => fault !== undefined),
    ...inner.flatMap((graph) => graphFaults(graph, scope)),
    ...(sparseTensor || sparseTensors?.length ? [sparse] : []),
  ];
}

function portFaults(kind: string, found: readonly ValueInfo[], wanted: readonly Port[]): string[] {
  const faults = wanted.flatMap((port) => {
    const info = found.find(({ name }) => name === port.name);
    if (!info) return [`${kind} ${port.name} is missing`];
    const type = elementTypeOf(info) ?? 'something else';
    const rank = shapeOf(info).length;
    if (type === port.type && rank === port.rank) return [];
    return [`${kind} ${port.name} is ${type} of rank ${rank}, not ${port.type} of rank ${port.rank}`];
  });
  const unknown =
    kind === 'input' ? found.filter(({ name }) => !wanted.some((port) => port.name === name)) : [];
  return [...faults, ...unknown.map(({ name }) => `input ${name} is one nobody gives`)];
}
