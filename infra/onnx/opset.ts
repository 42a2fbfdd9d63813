/**
 * Whether operators mean the same in the versions that files of ours are written for.
 *
 * A file has one version of each operator set, and two files that are joined get the newer one (merge.ts). Most
 * operators have only learned more since; these have changed inputs, attributes or defaults, so that a model of an
 * older set would be read otherwise than it was meant, and without a word where it is a default.
 *
 * @see https://github.com/onnx/onnx/blob/main/docs/Changelog.md each operator's schemas, compared one with the next up to
 *   opset 17, and up to 4 of `ai.onnx.ml`
 */
import { modelHeader } from './graph.ts';
import type { GraphProto, Model, NodeProto } from './proto.ts';

/** The versions since which they are what they are now. */
const changed: Record<string, ReadonlyMap<string, number>> = {
  '': since({
    9: ['BatchNormalization', 'Scan'],
    10: ['Slice', 'TopK'],
    11: ['Clip', 'Pad', 'Resize'],
    12: ['Dropout'],
    13: ['Hardmax', 'LogSoftmax', 'ReduceSum', 'Softmax', 'Split', 'Squeeze', 'Unsqueeze'],
    17: ['Scatter', 'Upsample'], // withdrawn: no runtime takes them there
  }),
  'ai.onnx.ml': since({ 2: ['LabelEncoder'] }),
};

/** Before it, how tensors are stretched over each other was said by attributes. */
const oldest: Record<string, number> = { '': 7 };

function since(versions: Record<number, readonly string[]>): ReadonlyMap<string, number> {
  return new Map(Object.entries(versions).flatMap(([at, ops]) => ops.map((op) => [op, Number(at)] as const)));
}

const ours = new Map(modelHeader.opsetImport!.map(({ domain, version }) => [domain ?? '', Number(version)]));

/** @returns empty for the standard operators, which have two names */
export const plain = (domain: string | null | undefined): string =>
  domain === 'ai.onnx' ? '' : (domain ?? '');

/** @returns one sentence for each operator that would be read otherwise than it was written */
export function opsetFaults({ opsetImport, graph }: Model): string[] {
  const written = new Map((opsetImport ?? []).map(({ domain, version }) => [plain(domain), Number(version)]));
  const faults = new Set<string>();
  for (const { domain, opType } of graph ? nodesOf(graph) : []) {
    const of = plain(domain);
    const at = written.get(of) ?? Infinity; // onnxruntime takes a set that is not named in its newest version
    const meant = Math.max(changed[of]?.get(opType ?? '') ?? 1, oldest[of] ?? 1);
    if (at >= meant) continue;
    faults.add(
      `operator ${opType} of opset ${at} has changed since; export the model for opset ${ours.get(of)} (skl2onnx, onnxmltools: target_opset; torch: opset_version)`,
    );
  }
  return [...faults];
}

/** Those of inner graphs, too: the branches of If, the bodies of Loop and Scan. */
function* nodesOf(graph: GraphProto): Generator<NodeProto> {
  for (const node of graph.node ?? []) {
    yield node;
    for (const { g, graphs } of node.attribute ?? [])
      for (const inner of [...(g ? [g] : []), ...(graphs ?? [])]) yield* nodesOf(inner);
  }
}
