/**
 * Parquet files that no writer would write: any footer, byte by byte, in Thrift's compact protocol.
 * @see https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
 */

interface Leaf {
  name: string;
  /** Makes it a group of so many of the elements that follow. */
  children?: number;
}

export interface Footer {
  schema: readonly Leaf[];
  rows: number;
  /** Rows that each row group claims; its one column chunk begins at byte 4 and is never there. */
  groups?: readonly number[];
}

const int32 = 1;
const required = 0;

/** A file with this footer and no data. */
export function parquetOf({ schema, rows, groups = [] }: Footer): Buffer {
  const elements = schema.map(({ name, children }) =>
    children === undefined
      ? struct([1, i32(int32)], [3, i32(required)], [4, text(name)])
      : struct([3, i32(required)], [4, text(name)], [5, i32(children)]),
  );
  const chunks = groups.map((count) =>
    struct([1, list(12, [struct([2, i64(4)], [3, chunkOf(count)])])], [2, i64(64)], [3, i64(count)]),
  );
  const footer = struct([1, i32(1)], [2, list(12, elements)], [3, i64(rows)], [4, list(12, chunks)]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.bytes.length);
  return Buffer.concat([Buffer.from('PAR1'), footer.bytes, length, Buffer.from('PAR1')]);
}

const chunkOf = (count: number) =>
  struct(
    ...([
      [1, i32(int32)],
      [2, list(5, [i32(0)])],
      [3, list(8, [text('x')])],
      [4, i32(0)],
    ] as const),
    ...([
      [5, i64(count)],
      [6, i64(64)],
      [7, i64(64)],
      [9, i64(4)],
    ] as const),
  );

/** A value and its type in the compact protocol. */
interface Value {
  type: number;
  bytes: Buffer;
}

const i32 = (value: number): Value => ({ type: 5, bytes: varint(zigzag(value)) });
const i64 = (value: number): Value => ({ type: 6, bytes: varint(zigzag(value)) });
const text = (value: string): Value => {
  const bytes = Buffer.from(value);
  return { type: 8, bytes: Buffer.concat([varint(BigInt(bytes.length)), bytes]) };
};

function list(type: number, values: readonly Value[]): Value {
  const head = values.length < 15 ? [(values.length << 4) | type] : [0xf0 | type];
  const size = values.length < 15 ? Buffer.alloc(0) : varint(BigInt(values.length));
  return { type: 9, bytes: Buffer.concat([Buffer.from(head), size, ...values.map(({ bytes }) => bytes)]) };
}

/** @param fields in rising order of their ids, each at most 15 above the one before */
function struct(...fields: (readonly [number, Value])[]): Value {
  let last = 0;
  const parts = fields.map(([id, { type, bytes }]) => {
    const head = Buffer.from([((id - last) << 4) | type]);
    last = id;
    return Buffer.concat([head, bytes]);
  });
  return { type: 12, bytes: Buffer.concat([...parts, Buffer.from([0])]) };
}

const zigzag = (value: number) => BigInt(value) * 2n;

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}
