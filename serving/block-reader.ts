/** The prediction log's blocks read again, as columns of a table: `block.ts` says what is in them. */
import { crc32 } from 'node:zlib';
import type { DuckDBValue } from '@duckdb/node-api';
import type { TensorSpec } from '../contracts/serving.ts';
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
): AsyncGenerator<DuckDBValue[][]> {
  // Loaded when first asked for: a server that has nothing to ship need not carry DuckDB's 40 MB.
  const { listValue } = await import('@duckdb/node-api');
  const widths = specs.reduce((sum, spec) => sum + (widthOf(spec) ?? 1), 0);
  const empty = () =>
    Array.from({ length: Object.keys(headColumns).length + widths }, (): DuckDBValue[] => []);
  let columns = empty();
  for (const block of blocksOf(bytes)) {
    addTo(columns, block, specs, listValue);
    while (columns[0]!.length >= rowsAtMost) {
      yield columns.map((values) => values.slice(0, rowsAtMost));
      columns = columns.map((values) => values.slice(rowsAtMost));
    }
  }
  if (columns[0]!.length > 0) yield columns;
}

function* blocksOf(bytes: Buffer): Generator<Reader> {
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = bytes.readUInt32LE(at);
    const block = bytes.subarray(at + 8, at + 8 + length);
    if (block.length < length || crc32(block) !== bytes.readUInt32LE(at + 4)) return;
    yield new Reader(block);
    at += 8 + length;
  }
}

type ListOf = (values: DuckDBValue[]) => DuckDBValue;

function addTo(columns: DuckDBValue[][], block: Reader, specs: readonly TensorSpec[], listOf: ListOf): void {
  const count = block.u32();
  const epoch = block.u32();
  const route = routes[block.u8()]!;
  const [time, loggedAt, ms] = [block.f64(), block.f64(), block.f64()];
  const shared = [time, loggedAt, route, epoch, ms, block.f64(), block.f64()];
  const id = block.text()!;
  for (let row = 0; row < count; row++) {
    columns[0]!.push(count === 1 ? id : `${id}/${row}`);
    shared.forEach((value, i) => columns[i + 1]!.push(value));
  }
  let at = shared.length + 1;
  for (const spec of specs) at += addElements(columns, at, block, spec, count, listOf);
}

/** @returns how many columns they were */
function addElements(
  columns: DuckDBValue[][],
  at: number,
  block: Reader,
  spec: TensorSpec,
  rows: number,
  listOf: ListOf,
): number {
  const read = readers[spec.datatype];
  const elements = block.u32();
  const width = widthOf(spec);
  if (width !== undefined) {
    for (let i = 0; i < elements; i++) columns[at + (i % width)]!.push(read(block));
    return width;
  }
  if (!isList(spec)) {
    for (let i = 0; i < elements; i++) columns[at]!.push(read(block));
    return 1;
  }
  for (let row = 0; row < rows; row++)
    columns[at]!.push(listOf(Array.from({ length: elements / rows }, () => read(block))));
  return 1;
}

const real = (value: number): number | null => (Number.isNaN(value) ? null : value);

const readers: Record<TensorSpec['datatype'], (block: Reader) => DuckDBValue> = {
  FP64: (block) => real(block.f64()),
  FP32: (block) => real(block.f32()),
  FP16: (block) => real(halfToNumber(block.unsigned(2))),
  INT64(block) {
    const value = block.i64();
    return value === nullTimestamp ? null : value;
  },
  UINT64: (block) => BigInt.asUintN(64, block.i64()),
  INT32: (block) => block.signed(4),
  INT16: (block) => block.signed(2),
  INT8: (block) => block.signed(1),
  UINT32: (block) => block.u32(),
  UINT16: (block) => block.unsigned(2),
  UINT8: (block) => block.u8(),
  BOOL: (block) => block.u8() !== 0,
  BYTES: (block) => block.text(),
};

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  u8 = (): number => this.unsigned(1);
  u32 = (): number => this.unsigned(4);

  unsigned(bytes: 1 | 2 | 4): number {
    this.#at += bytes;
    return this.#bytes.readUIntLE(this.#at - bytes, bytes);
  }

  signed(bytes: 1 | 2 | 4): number {
    this.#at += bytes;
    return this.#bytes.readIntLE(this.#at - bytes, bytes);
  }

  i64(): bigint {
    this.#at += 8;
    return this.#bytes.readBigInt64LE(this.#at - 8);
  }

  f32(): number {
    this.#at += 4;
    return this.#bytes.readFloatLE(this.#at - 4);
  }

  f64(): number {
    this.#at += 8;
    return this.#bytes.readDoubleLE(this.#at - 8);
  }

  text(): string | null {
    const length = this.u32();
    if (length === nullText) return null;
    this.#at += length;
    return this.#bytes.toString('utf8', this.#at - length, this.#at);
  }
}
