/**
 * Joins graphs into one file: the outputs of the first feed the inputs of the second, by name.
 *
 * Every inner name gets a prefix, since two graphs from different tools may both say `input` or
 * `Add_1`. What the outside sees (the first one's inputs, the renamed outputs) keeps its plain name.
 */
import { encodeModel } from './proto.ts';
import type { Attribute, GraphProto, Model, NodeProto } from './proto.ts';
import { entries, modelHeader } from './graph.ts';
import { plain } from './opset.ts';

/**
 * @param first its inputs are the merged model's inputs
 * @param second each of its inputs must be an output of `first`
 * @param rename names of `second`'s outputs → names the outside sees
 */
export function merge(
  first: Model,
  second: Model,
  rename: Record<string, string>,
  metadata: Record<string, string>,
): Uint8Array {
  const outside = new Map((first.graph?.input ?? []).map(({ name }) => [name!, name!]));
  const a = renamed(first.graph!, (name) => outside.get(name) ?? `transform/${name}`);
  const fed = new Set((first.graph?.output ?? []).map(({ name }) => name!));
  const b = renamed(second.graph!, (name) => {
    if (name in rename) return rename[name]!;
    return fed.has(name) && isInput(second, name) ? `transform/${name}` : `model/${name}`;
  });
  return encodeModel({
    ...modelHeader,
    irVersion: Math.max(Number(first.irVersion), Number(second.irVersion)),
    opsetImport: opsets(first, second),
    metadataProps: entries(metadata),
    graph: {
      name: 'esteira',
      input: a.input ?? [],
      output: (b.output ?? []).filter(({ name }) => Object.values(rename).includes(name!)),
      node: [...(a.node ?? []), ...(b.node ?? [])],
      initializer: [...(a.initializer ?? []), ...(b.initializer ?? [])],
    },
  });
}

const isInput = (model: Model, name: string) => model.graph?.input?.some((input) => input.name === name);

/** The newer of each domain: what would change its meaning by that was refused (opset.ts). */
function opsets(first: Model, second: Model) {
  const versions = new Map<string, number>();
  for (const { domain, version } of [...(first.opsetImport ?? []), ...(second.opsetImport ?? [])]) {
    const name = plain(domain);
    versions.set(name, Math.max(versions.get(name) ?? 0, Number(version)));
  }
  return [...versions].map(([domain, version]) => ({ domain, version }));
}

/** The empty name stays empty: it stands for an optional input that is left out. */
export function renamed(graph: GraphProto, to: (name: string) => string): GraphProto {
  const name = (old: string) => (old === '' ? '' : to(old));
  const named = <T extends { name?: string | null }>(values: T[] | null | undefined) =>
    (values ?? []).map((value) => ({ ...value, name: name(value.name ?? '') }));
  return {
    ...graph,
    input: named(graph.input),
    output: named(graph.output),
    initializer: named(graph.initializer),
    node: (graph.node ?? []).map((node) => renamedNode(node, name)),
  };
}

function renamedNode(node: NodeProto, name: (old: string) => string): NodeProto {
  const attribute = (node.attribute ?? []).map((each): Attribute => {
    return each.g ? { ...each, g: renamed(each.g, name) } : each;
  });
  return {
    ...node,
    name: name(node.name ?? ''),
    input: (node.input ?? []).map(name),
    output: (node.output ?? []).map(name),
    attribute,
  };
}
