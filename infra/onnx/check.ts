/**
 * What a model file must be before anything opens it: one file, known operator domains, the inputs and
 * outputs that its contract names. A model comes from a trainer, which may be anybody's program.
 */
import { TensorProto, decodeModel, elementTypeOf, shapeOf } from './proto.ts';
import type { ElementType, GraphProto, Model, ValueInfo } from './proto.ts';

/** A named tensor. `rank` counts dimensions. */
export interface Port {
  name: string;
  type: ElementType;
  rank: number;
}

/** Standard ONNX, its classic machine learning, and what onnxruntime itself fuses. */
const knownDomains = new Set(['', 'ai.onnx', 'ai.onnx.ml', 'com.microsoft']);

/** @returns what is wrong, one sentence each; none means accepted. */
export function check(bytes: Uint8Array, inputs: readonly Port[], outputs: readonly Port[]): string[] {
  const model = decoded(bytes);
  if (!model?.graph?.node?.length) return ['it is not an ONNX model'];
  return [
    ...graphFaults(model.graph),
    ...(model.functions?.length ? ['it defines functions of its own'] : []),
    ...portFaults('input', model.graph.input ?? [], inputs),
    ...portFaults('output', model.graph.output ?? [], outputs),
  ];
}

/** Protobuf says no by throwing, whatever the bytes are. */
function decoded(bytes: Uint8Array): Model | undefined {
  try {
    return decodeModel(bytes);
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}

/** Looks into subgraphs too: an external tensor can hide in the body of an `If`. */
function graphFaults(graph: GraphProto): string[] {
  const faults: string[] = [];
  const sparse = (graph.sparseInitializer ?? []).flatMap(({ values, indices }) => [values, indices]);
  const tensors = [...(graph.initializer ?? []), ...sparse.filter((part) => part != null)];
  for (const node of graph.node ?? []) {
    if (!knownDomains.has(node.domain ?? '')) {
      faults.push(`operator ${node.opType} is of the unknown domain ${node.domain}`);
    }
    for (const attribute of node.attribute ?? []) {
      if (attribute.t) tensors.push(attribute.t);
      tensors.push(...(attribute.tensors ?? []));
      for (const inner of [attribute.g, ...(attribute.graphs ?? [])]) {
        if (inner?.node) faults.push(...graphFaults(inner));
      }
    }
  }
  const external = tensors.filter(
    ({ dataLocation, externalData }) =>
      dataLocation === TensorProto.DataLocation.EXTERNAL || (externalData ?? []).length > 0,
  );
  return [...faults, ...external.map(({ name }) => `tensor ${name} keeps its data outside the file`)];
}

function portFaults(kind: string, found: readonly ValueInfo[], wanted: readonly Port[]): string[] {
  const faults = wanted.flatMap((port) => {
    const info = found.find(({ name }) => name === port.name);
    if (!info) return [`${kind} ${port.name} is missing`];
    const type = elementTypeOf(info);
    const rank = shapeOf(info).length;
    if (type === port.type && rank === port.rank) return [];
    return [`${kind} ${port.name} is ${type} of rank ${rank}, not ${port.type} of rank ${port.rank}`];
  });
  const unknown =
    kind === 'input' ? found.filter(({ name }) => !wanted.some((port) => port.name === name)) : [];
  return [...faults, ...unknown.map(({ name }) => `input ${name} is one nobody gives`)];
}
