/** The prediction log's blocks read again, as columns of a table: `block.ts` says what is in them. */
import { crc32 } from 'node:zlib';
import type { DuckDBValue } from '@duckdb/node-api';
import type { TensorSpec } from '../contracts/serving.ts';
import type { AppendedColumn } from '../infra/duckdb.ts';
import { halfToNumber } from '../infra/onnx/datatypes.ts';
import { nullTimestamp } from '../infra/onnx/session.ts';
import { isList, nullText, routes, widthOf } from './block.ts';

/** What DuckDB takes at once. */
const rowsAtMost = 2_048;

/** Of all rows, before the model's own columns: as `blockColumns` names them. */
export const headColumns = {
  id: 'VARCHAR',
  time: 'DOUBLE',
  loggedAt: 'DOUBLE',
  route: 'VARCHAR',
  epoch: 'INTEGER',
  ms: 'DOUBLE',
  queueMs: 'DOUBLE',
  computeMs: 'DOUBLE',
};

/**
 * @param bytes of whole blocks, and perhaps a piece of one, which is left out with all behind it
 * @param specs of the logged inputs and outputs
 * @returns columns, `headColumns` first, some rows at a time
 */
export async function* columnsOf(
  bytes: Buffer,
  specs: readonly TensorSpec[],
): AsyncGenerator<AppendedColumn[]> {
  // Loaded when first asked for: a server that has nothing to ship need not carry DuckDB's 40 MB.
  const { listValue } = await import('@duckdb/node-api');
  let table = new Table(specs, rowsAtMost, listValue);
  for (const block of blocksOf(bytes)) {
    const count = block.u32();
    if (!table.holds(count)) {
      yield* table.parts();
      table = new Table(specs, Math.max(rowsAtMost, count), listValue);
    }
    table.add(block, count);
  }
  yield* table.parts();
}

/** One reader, put before one block after the other. */
function* blocksOf(bytes: Buffer): Generator<Reader> {
  const reader = new Reader(bytes);
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = bytes.readUInt32LE(at);
    const block = bytes.subarray(at + 8, at + 8 + length);
    if (block.length < length || crc32(block) !== bytes.readUInt32LE(at + 4)) return;
    reader.at = at + 8;
    yield reader;
    at += 8 + length;
  }
}

type ListOf = (values: DuckDBValue[]) => DuckDBValue;
type Put = (block: Reader, elements: number, rows: number) => void;

/** Rows of a file side by side, until they are as many as DuckDB takes at once. */
class Table {
  readonly #capacity: number;
  readonly #columns: AppendedColumn[] = [];
  /** For each logged input and output. */
  readonly #puts: readonly Put[];
  #rows = 0;

  constructor(specs: readonly TensorSpec[], capacity: number, listOf: ListOf) {
    this.#capacity = capacity;
    for (const type of Object.values(headColumns)) this.#columns.push(columnOf(type, capacity));
    this.#puts = specs.map((spec) => this.#put(spec, listOf));
  }

  holds(rows: number): boolean {
    return this.#rows + rows <= this.#capacity;
  }

  add(block: Reader, count: number): void {
    const epoch = block.u32();
    const route = routes[block.u8()]!;
    const [time, loggedAt, ms] = [block.f64(), block.f64(), block.f64()];
    const shared = [time, loggedAt, route, epoch, ms, block.f64(), block.f64()];
    const id = block.text()!;
    for (let row = 0; row < count; row++) {
      const to = this.#rows + row;
      this.#columns[0]![to] = count === 1 ? id : `${id}/${row}`;
      for (let i = 0; i < shared.length; i++) this.#columns[i + 1]![to] = shared[i]!;
    }
    for (const put of this.#puts) put(block, block.u32(), count);
    this.#rows += count;
  }

  *parts(): Generator<AppendedColumn[]> {
    for (let from = 0; from < this.#rows; from += rowsAtMost) {
      const to = Math.min(this.#rows, from + rowsAtMost);
      yield this.#columns.map((values) =>
        Array.isArray(values) ? values.slice(from, to) : values.subarray(from, to),
      );
    }
  }

  #put(spec: TensorSpec, listOf: ListOf): Put {
    const read = readers[spec.datatype];
    const width = isList(spec) ? widthOf(spec) : 1;
    if (width === undefined) {
      const lists: DuckDBValue[] = [];
      this.#columns.push(lists);
      const one = (block: Reader) => orNull(read(block));
      return (block, elements, rows) => {
        for (let row = 0; row < rows; row++)
          lists.push(listOf(Array.from({ length: elements / rows }, () => one(block))));
      };
    }
    const own = Array.from({ length: width }, () => columnOf(spec.datatype, this.#capacity));
    this.#columns.push(...own);
    return (block, elements) => {
      const end = this.#rows + elements / width;
      for (let row = this.#rows; row < end; row++)
        for (let i = 0; i < width; i++) own[i]![row] = read(block)!;
    };
  }
}

function columnOf(type: string, rows: number): AppendedColumn {
  if (type === 'DOUBLE' || type === 'FP64') return new Float64Array(rows);
  if (type === 'FP32' || type === 'FP16') return new Float32Array(rows);
  return type === 'INTEGER' || type === 'INT32' ? new Int32Array(rows) : [];
}

const orNull = (value: DuckDBValue): DuckDBValue => (Number.isNaN(value) ? null : value);

/** NaN where a real is null. */
const readers: Record<TensorSpec['datatype'], (block: Reader) => DuckDBValue> = {
  FP64: (block) => block.f64(),
  FP32: (block) => block.f32(),
  FP16: (block) => halfToNumber(block.u16()),
  INT64(block) {
    const value = block.i64();
    return value === nullTimestamp ? null : value;
  },
  UINT64: (block) => BigInt.asUintN(64, block.i64()),
  INT32: (block) => block.u32() | 0,
  INT16: (block) => (block.u16() << 16) >> 16,
  INT8: (block) => (block.u8() << 24) >> 24,
  UINT32: (block) => block.u32(),
  UINT16: (block) => block.u16(),
  UINT8: (block) => block.u8(),
  BOOL: (block) => block.u8() !== 0,
  BYTES: (block) => block.text(),
};

class Reader {
  /** Where it reads next. */
  at = 0;
  readonly #bytes: Buffer;
  readonly #view: DataView;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this.#view.getUint8(this.at++);
  }

  u16(): number {
    this.at += 2;
    return this.#view.getUint16(this.at - 2, true);
  }

  u32(): number {
    this.at += 4;
    return this.#view.getUint32(this.at - 4, true);
  }

  i64(): bigint {
    this.at += 8;
    return this.#view.getBigInt64(this.at - 8, true);
  }

  f32(): number {
    this.at += 4;
    return this.#view.getFloat32(this.at - 4, true);
  }

  f64(): number {
    this.at += 8;
    return this.#view.getFloat64(this.at - 8, true);
  }

  text(): string | null {
    const length = this.u32();
    if (length === nullText) return null;
    this.at += length;
    return this.#bytes.toString('utf8', this.at - length, this.at);
  }
}
