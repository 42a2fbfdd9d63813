/**
 * Whether a tensor has the bytes that its shape promises. Runtimes allocate by the shape and copy by the data, so a
 * file in which the two differ is how memory is read or written that nobody meant.
 */
import type { Initializer, ValueInfo } from './proto.ts';

/** More elements than this is no shape of ours, whatever fills it. */
const elementsAtMost = 2 ** 31 - 1;

type DataField = 'floatData' | 'int32Data' | 'int64Data' | 'doubleData' | 'uint64Data' | 'stringData';

/** By `TensorProto.DataType`: bytes an element in raw data, entries an element in its typed field. */
const kinds = new Map<number, { bytes: number; field: DataField; entries: number }>([
  [1, { bytes: 4, field: 'floatData', entries: 1 }],
  ...[2, 3, 9, 17, 18, 19, 20, 24].map(
    (type) => [type, { bytes: 1, field: 'int32Data', entries: 1 }] as const,
  ),
  ...[4, 5, 10, 16].map((type) => [type, { bytes: 2, field: 'int32Data', entries: 1 }] as const),
  [6, { bytes: 4, field: 'int32Data', entries: 1 }],
  [7, { bytes: 8, field: 'int64Data', entries: 1 }],
  [8, { bytes: NaN, field: 'stringData', entries: 1 }],
  [11, { bytes: 8, field: 'doubleData', entries: 1 }],
  [12, { bytes: 4, field: 'uint64Data', entries: 1 }],
  [13, { bytes: 8, field: 'uint64Data', entries: 1 }],
  [14, { bytes: 8, field: 'floatData', entries: 2 }],
  [15, { bytes: 16, field: 'doubleData', entries: 2 }],
  // Two to a byte, the last one padded.
  ...[21, 22, 23].map((type) => [type, { bytes: 0.5, field: 'int32Data', entries: 0.5 }] as const),
]);

const fields = [...new Set([...kinds.values()].map(({ field }) => field))];

/** @returns a sentence that begins with the tensor, or undefined */
export function tensorFault(tensor: Initializer): string | undefined {
  const name = `tensor ${tensor.name || '(unnamed)'}`;
  const dims = (tensor.dims ?? []).map(Number);
  const elements = dims.reduce((product, dim) => product * dim, 1);
  if (dims.some((dim) => dim < 0) || elements > elementsAtMost) {
    return `${name} has the shape [${dims.join(', ')}], which nothing could hold`;
  }
  const kind = kinds.get(tensor.dataType ?? 0);
  if (!kind) return `${name} has the unknown element type ${tensor.dataType}`;
  const raw = tensor.rawData?.length ?? 0;
  const filled = fields.filter((field) => (tensor[field]?.length ?? 0) > 0);
  if (filled.length + Number(raw > 0) > 1) return `${name} has its data twice`;
  const strange = filled.find((field) => field !== kind.field);
  if (strange) return `${name} has its data in the field of another type`;
  const [found, wanted, unit] =
    raw > 0
      ? [raw, Math.ceil(elements * kind.bytes), 'bytes']
      : [tensor[kind.field]?.length ?? 0, Math.ceil(elements * kind.entries), 'values'];
  if (found === wanted) return undefined;
  return `${name} of shape [${dims.join(', ')}] has ${found} ${unit} of data, not ${wanted}`;
}

/** @returns a sentence about a declared shape that no tensor could have, or undefined */
export function shapeFault(kind: string, info: ValueInfo): string | undefined {
  const dims = (info.type?.tensorType?.shape?.dim ?? []).map(({ dimValue }) => Number(dimValue ?? 1));
  const product = dims.reduce((all, dim) => all * Math.max(1, dim), 1);
  if (dims.every((dim) => dim >= -1) && product <= elementsAtMost) return undefined;
  return `${kind} ${info.name} has the shape [${dims.join(', ')}], which nothing could hold`;
}
