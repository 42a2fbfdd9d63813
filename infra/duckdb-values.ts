/** DuckDB's values as JavaScript has them: one by one for rows, as whole typed arrays for columns. */
import { DuckDBDataChunk, DuckDBTypeId, FLOAT, JSDuckDBValueConverter } from '@duckdb/node-api';
import type {
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBTimestampTZValue,
  DuckDBType,
  DuckDBValue,
  DuckDBValueConverter,
  DuckDBVector,
} from '@duckdb/node-api';

/**
 * FLOAT is Float32Array, DOUBLE and DECIMAL Float64Array, a null NaN; integers and booleans are Int32Array,
 * BIGINT and TIMESTAMP (microseconds since 1970) BigInt64Array, but Float64Array in a chunk that holds nulls
 * (cast to DOUBLE in SQL for one kind throughout); all else is text.
 */
export type Column = Float32Array | Float64Array | Int32Array | BigInt64Array | (string | null)[];

/** See `DuckDb.rows` for what becomes what. Used for nested values too. */
export const plainValue: DuckDBValueConverter<unknown> = (value, type, self) => {
  if (value === null) return null;
  switch (type.typeId) {
    case DuckDBTypeId.BIGINT:
    case DuckDBTypeId.UBIGINT:
    case DuckDBTypeId.HUGEINT:
    case DuckDBTypeId.UHUGEINT:
      return exactNumber(value as bigint);
    case DuckDBTypeId.DECIMAL:
      return (value as DuckDBDecimalValue).toDouble();
    case DuckDBTypeId.DATE:
      return (value as DuckDBDateValue).toString();
    case DuckDBTypeId.TIMESTAMP:
    case DuckDBTypeId.TIMESTAMP_TZ:
      return instant(Number((value as DuckDBTimestampTZValue).micros / 1000n));
    case DuckDBTypeId.TIMESTAMP_S:
    case DuckDBTypeId.TIMESTAMP_MS:
    case DuckDBTypeId.TIMESTAMP_NS: {
      const converted = JSDuckDBValueConverter(value, type, JSDuckDBValueConverter);
      return converted instanceof Date ? converted.toISOString() : converted;
    }
    case DuckDBTypeId.TIME:
      return String(value);
    default:
      return JSDuckDBValueConverter(value, type, self as typeof JSDuckDBValueConverter);
  }
};

/** Copies, since the chunk's own memory goes with the chunk. */
export function columnOf(chunk: DuckDBDataChunk, index: number): Column {
  // The bindings keep these two private; reading values one by one is twenty times slower.
  const { items, validity } = chunk.getColumnVector(index) as unknown as RawVector;
  if (items instanceof Float32Array || items instanceof Float64Array) {
    const copy = items.slice();
    if (validity.data) fillNulls(copy, validity);
    return copy;
  }
  const { typeId } = chunk.getColumnVector(index).type;
  if (wholeTypes.has(typeId)) return wholeColumn(chunk, index, items, validity);
  if (typeId === DuckDBTypeId.DECIMAL) return numbers(chunk, index);
  if (typeId === DuckDBTypeId.VARCHAR) return texts(chunk.getColumnVector(index));
  return chunk.convertColumnValues(index, plainValue).map(asText);
}

/** @param values row-major, `width` a row; what is not finite is null */
export function floatChunk(values: Float32Array, width: number): DuckDBDataChunk {
  const rows = values.length / width;
  const chunk = DuckDBDataChunk.create(
    Array.from({ length: width }, () => FLOAT),
    rows,
  );
  for (let column = 0; column < width; column++) {
    const vector = chunk.getColumnVector(column);
    const { items } = vector as unknown as { items: Float32Array };
    for (let row = 0; row < rows; row++) {
      const value = values[row * width + column]!;
      if (Number.isFinite(value)) items[row] = value;
      else vector.setItem(row, null);
    }
    vector.flush();
  }
  return chunk;
}

/** To be appended: typed for a column of FLOAT, DOUBLE or INTEGER, where it is copied whole, and NaN is null. */
export type AppendedColumn = Float32Array | Float64Array | Int32Array | DuckDBValue[];

/** @param columns of equal length, at most 2,048 */
export function chunkOf(columns: readonly AppendedColumn[], types: readonly DuckDBType[]): DuckDBDataChunk {
  const chunk = DuckDBDataChunk.create(types, columns[0]!.length);
  columns.forEach((values, at) => {
    if (Array.isArray(values)) return chunk.setColumnValues(at, values);
    const vector = chunk.getColumnVector(at);
    const { items } = vector as unknown as { items: Float64Array };
    items.set(values);
    for (let row = 0; row < values.length; row++) if (Number.isNaN(values[row])) vector.setItem(row, null);
    vector.flush();
  });
  return chunk;
}

interface RawVector {
  items?: unknown;
  validity: Validity;
}

interface Validity {
  data: BigUint64Array | null;
  itemValid(index: number): boolean;
}

const wholeTypes = new Set([
  DuckDBTypeId.BOOLEAN,
  DuckDBTypeId.TINYINT,
  DuckDBTypeId.UTINYINT,
  DuckDBTypeId.SMALLINT,
  DuckDBTypeId.USMALLINT,
  DuckDBTypeId.INTEGER,
  DuckDBTypeId.UINTEGER,
  DuckDBTypeId.BIGINT,
  DuckDBTypeId.UBIGINT,
  DuckDBTypeId.HUGEINT,
  DuckDBTypeId.TIMESTAMP,
  DuckDBTypeId.TIMESTAMP_TZ,
]);

function wholeColumn(chunk: DuckDBDataChunk, index: number, items: unknown, validity: Validity): Column {
  const nulls =
    validity.data !== null &&
    Array.from({ length: chunk.rowCount }).some((_, row) => !validity.itemValid(row));
  if (nulls) return numbers(chunk, index);
  if (items instanceof BigInt64Array) return items.slice();
  if (items instanceof Int32Array) return items.slice();
  const values = numbers(chunk, index);
  return fits32(chunk.getColumnVector(index).type.typeId) ? Int32Array.from(values) : values;
}

function fits32(typeId: DuckDBTypeId): boolean {
  const wide = [DuckDBTypeId.UINTEGER, DuckDBTypeId.UBIGINT, DuckDBTypeId.HUGEINT];
  return !wide.includes(typeId);
}

/** Any numeric column, a null as NaN, a time as its microseconds. */
function numbers(chunk: DuckDBDataChunk, index: number): Float64Array {
  const copy = new Float64Array(chunk.rowCount);
  chunk.visitColumnValues(index, (value, row) => {
    copy[row] = asNumber(value);
  });
  return copy;
}

function asNumber(value: unknown): number {
  if (value === null) return NaN;
  if (typeof value !== 'object') return Number(value);
  return 'micros' in value ? Number(value.micros) : (value as DuckDBDecimalValue).toDouble();
}

function asText(value: unknown): string | null {
  if (value === null || typeof value === 'string') return value;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function fillNulls(values: Float32Array | Float64Array, validity: Validity): void {
  for (let row = 0; row < values.length; row++) if (!validity.itemValid(row)) values[row] = NaN;
}

function exactNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** One by one, without a converter between, which would cost as much again. */
function texts(vector: DuckDBVector): (string | null)[] {
  const column = Array.from<string | null>({ length: vector.itemCount });
  for (let row = 0; row < column.length; row++) column[row] = vector.getItem(row) as string | null;
  return column;
}

/** DuckDB's infinite timestamps lie outside of what a Date can hold. */
function instant(milliseconds: number): string {
  if (Math.abs(milliseconds) > 8.64e15) return milliseconds > 0 ? 'infinity' : '-infinity';
  return new Date(milliseconds).toISOString();
}
