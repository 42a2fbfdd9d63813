/**
 * One request in the prediction log, as bytes: written by a function that is compiled from the model's signature, so that
 * it costs a copy of the tensors and little else. `block-reader.ts` is its other half.
 *
 *     u32 bytes that follow the next four · u32 CRC-32 of them · then
 *     u32 rows · u32 epoch · u8 route · f64 time, loggedAt (ms since 1970) · f64 ms, queueMs, computeMs · text id ·
 *     for each logged input and output: u32 elements, and each of them
 *
 * All little-endian. A text is its length in four bytes and UTF-8; the length 2^32-1 stands for null. NaN is null, and so is
 * the least INT64. A block that a kill cut short, or whose sum is another, was never answered for.
 */
import { createHmac } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Ports, Route, TensorSpec } from '../contracts/serving.ts';
import { kinds } from '../infra/onnx/datatypes.ts';
import { nullTimestamp } from '../infra/onnx/session.ts';
import type { Ran } from './lane.ts';
import type { Elements, Rows } from './rows.ts';

/** What is said of all rows of a request. */
export interface BlockHead {
  id: string;
  /** In ms since 1970: when it happened, when it was answered. */
  time: number;
  loggedAt: number;
  route: Route;
  epoch: number;
  /** From arrival to here. */
  ms: number;
}

export type WriteBlock = (to: ByteWriter, head: BlockHead, rows: Rows, ran: Ran) => void;

/** What becomes of a column that tells of a person. The key makes a hash one that nobody can try values against. */
export type Privacy = { as: 'omit' } | { as: 'hash'; key: string };

export const routes: readonly Route[] = ['champion', 'challenger', 'shadow'];
export const nullText = 0xffffffff;

/** @param privacy by input name */
export function compileBlock(
  { inputs, outputs }: Ports,
  privacy: ReadonlyMap<string, Privacy> = new Map(),
): WriteBlock {
  const ins = inputs.flatMap((spec, at) => {
    const kept = privacy.get(spec.name);
    return kept?.as === 'omit' ? [] : [{ at, write: writerOf(spec, kept) }];
  });
  const outs = outputs.map((spec) => writerOf(spec, undefined));
  return (to, head, rows, { outputs: given, queueMs, computeMs }) => {
    const start = to.begin();
    to.u32(rows.count);
    to.u32(head.epoch);
    to.u8(routes.indexOf(head.route));
    to.f64(head.time);
    to.f64(head.loggedAt);
    to.f64(head.ms);
    to.f64(queueMs);
    to.f64(computeMs);
    to.text(head.id);
    for (const { at, write } of ins) write(to, rows.inputs[at]!.elements);
    for (let i = 0; i < outs.length; i++) outs[i]!(to, given[i]!.values);
    to.end(start);
  };
}

/** The inputs as the log's columns: without those that are left out, hashes as text. */
export function loggedInputs({ inputs }: Ports, privacy: ReadonlyMap<string, Privacy>): TensorSpec[] {
  return inputs.flatMap((spec): TensorSpec[] => {
    const as = privacy.get(spec.name)?.as;
    if (as === 'omit') return [];
    if (as !== 'hash') return [spec];
    const { name, shape } = spec;
    return [{ name, shape, datatype: 'BYTES' }];
  });
}

/** Whether a row has a list of it, whatever its rank, and not one value. */
export function isList({ shape }: Pick<TensorSpec, 'shape'>): boolean {
  return shape.length !== 1 || shape[0] !== -1;
}

/** More than so many columns cost more than a list. */
const widthAtMost = 256;

/** @returns how many values a row has, for a list that is shipped as columns and put together by DuckDB: ten times as fast */
export function widthOf(spec: Pick<TensorSpec, 'shape'>): number | undefined {
  if (!isList(spec) || spec.shape[0] !== -1) return undefined;
  const width = spec.shape.slice(1).reduce((product, size) => product * size, 1);
  return width > 0 && width <= widthAtMost ? width : undefined;
}

type WriteElements = (to: ByteWriter, elements: Elements) => void;

function writerOf({ datatype }: TensorSpec, privacy: Privacy | undefined): WriteElements {
  if (privacy?.as === 'hash') return hashes(privacy.key);
  const { array: TypedArray } = kinds[datatype];
  if (!TypedArray) return texts;
  const put = putOf[datatype]!;
  const { bytes } = kinds[datatype];
  return (to, elements) => {
    to.u32(elements.length);
    if (ArrayBuffer.isView(elements)) to.bytes(elements);
    else to.each(elements, bytes, put);
  };
}

function texts(to: ByteWriter, elements: Elements): void {
  to.u32(elements.length);
  for (let i = 0; i < elements.length; i++) to.text(elements[i] as string | null);
}

function hashes(key: string): WriteElements {
  return (to, elements) => {
    to.u32(elements.length);
    for (const value of elements)
      to.text(
        value === null ? null : createHmac('sha256', key).update(String(value)).digest('hex').slice(0, 32),
      );
  };
}

type Put = (view: DataView, at: number, value: never) => void;

/** Of elements that came as JSON. */
const putOf: Partial<Record<TensorSpec['datatype'], Put>> = {
  FP64: (view, at, value: number | null) => view.setFloat64(at, value ?? NaN, true),
  FP32: (view, at, value: number | null) => view.setFloat32(at, value ?? NaN, true),
  INT64: (view, at, value: number | bigint | null) =>
    view.setBigInt64(at, value === null ? nullTimestamp : BigInt(value), true),
  UINT64: (view, at, value: number | bigint) => view.setBigUint64(at, BigInt(value), true),
  INT32: (view, at, value: number) => view.setInt32(at, value, true),
  UINT32: (view, at, value: number) => view.setUint32(at, value, true),
  INT16: (view, at, value: number) => view.setInt16(at, value, true),
  UINT16: (view, at, value: number) => view.setUint16(at, value, true),
  FP16: (view, at, value: number) => view.setUint16(at, value, true),
  INT8: (view, at, value: number) => view.setInt8(at, value),
  UINT8: (view, at, value: number) => view.setUint8(at, value),
  BOOL: (view, at, value: boolean) => view.setUint8(at, value ? 1 : 0),
};

/** Bytes that grow, written from the front. What was taken is to be written to its place before more is begun. */
export class ByteWriter {
  #buffer = Buffer.allocUnsafeSlow(65_536);
  #view = new DataView(this.#buffer.buffer);
  #at = 0;

  get length(): number {
    return this.#at;
  }

  /** @returns all that was written, until the next `begin` */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#at);
    this.#at = 0;
    return taken;
  }

  /** Of a block. @returns what `end` wants to be told */
  begin(): number {
    this.#room(8);
    this.#at += 8;
    return this.#at;
  }

  end(start: number): void {
    this.#view.setUint32(start - 8, this.#at - start, true);
    this.#view.setUint32(start - 4, crc32(this.#buffer.subarray(start, this.#at)), true);
  }

  u8(value: number): void {
    this.#room(1);
    this.#view.setUint8(this.#at, value);
    this.#at += 1;
  }

  u32(value: number): void {
    this.#room(4);
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
  }

  f64(value: number): void {
    this.#room(8);
    this.#view.setFloat64(this.#at, value, true);
    this.#at += 8;
  }

  /** @param size of one, in bytes */
  each(elements: readonly unknown[], size: number, put: Put): void {
    this.#room(size * elements.length);
    for (let i = 0; i < elements.length; i++) put(this.#view, this.#at + i * size, elements[i] as never);
    this.#at += size * elements.length;
  }

  text(value: string | null): void {
    if (value === null) return this.u32(nullText);
    this.#room(4 + 3 * value.length);
    const bytes = this.#buffer.write(value, this.#at + 4, 'utf8');
    this.#view.setUint32(this.#at, bytes, true);
    this.#at += 4 + bytes;
  }

  /** Without its length. */
  bare(text: string): void {
    this.bytes(Buffer.from(text, 'utf8'));
  }

  bytes({ buffer, byteOffset, byteLength }: ArrayBufferView): void {
    this.#room(byteLength);
    this.#buffer.set(new Uint8Array(buffer, byteOffset, byteLength), this.#at);
    this.#at += byteLength;
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#buffer.length, this.#at + bytes));
    larger.set(this.#buffer.subarray(0, this.#at));
    this.#buffer = larger;
    this.#view = new DataView(larger.buffer);
  }
}
