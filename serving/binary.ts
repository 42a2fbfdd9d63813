/**
 * The binary tensor extension: a body is JSON, and then the raw tensors in the order in which the JSON names them,
 * little-endian, without padding; texts each behind their length in four bytes.
 *
 * A tensor is a view on the body where its bytes lie aligned, and a copy of them where they do not.
 *
 * @see https://github.com/kserve/open-inference-protocol specification/protocol/inference_rest.md "Tensor Data"
 */
import { isUtf8 } from 'node:buffer';
import { endianness } from 'node:os';
import type { TensorSpec } from '../contracts/serving.ts';
import { isFloat, kinds } from '../infra/onnx/datatypes.ts';
import type { Values } from '../infra/onnx/datatypes.ts';
import { Refusal } from '../infra/refusal.ts';
import { isText, textWords } from './texts.ts';

// Views are read in the machine's own order.
if (endianness() !== 'LE') throw new Error('binary tensors are little-endian, and so must this machine be');

/** The bytes behind the JSON, taken from the front. */
export class Tail {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** @throws Refusal 400 */
  take(name: string, size: number): Buffer {
    if (size > this.left) {
      throw new Refusal(
        400,
        `input "${name}" has binary_data_size ${size}, but only ${this.left} bytes are left`,
      );
    }
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }
}

/** @param elements as many as its shape says. @throws Refusal 400 */
export function valuesOf(spec: TensorSpec, bytes: Buffer, elements: number): Values {
  const { name, datatype } = spec;
  const { array: TypedArray, bytes: each } = kinds[datatype];
  if (!TypedArray) return textsOf(name, bytes, elements);
  if (bytes.length !== elements * each) {
    throw new Refusal(
      400,
      `input "${name}" has ${bytes.length} bytes, expected ${elements * each}: ${elements} of ${datatype}`,
    );
  }
  const aligned = bytes.byteOffset % each === 0 ? bytes : Buffer.from(new Uint8Array(bytes).buffer);
  const values = new TypedArray(aligned.buffer, aligned.byteOffset, elements);
  if (datatype === 'BOOL') checkBooleans(name, values as Uint8Array);
  if (isFloat(datatype) && !spec.nullable) checkNumbers(name, values as Float64Array);
  return values;
}

function checkBooleans(name: string, values: Uint8Array): void {
  const at = values.findIndex((value) => value > 1);
  if (at !== -1)
    throw new Refusal(400, `input "${name}" element ${at} is the byte ${values[at]}, expected 0 or 1`);
}

/** Who takes no null takes no NaN either: to the models made here they are the same. */
function checkNumbers(name: string, values: Float64Array): void {
  const at = values.findIndex(Number.isNaN);
  if (at !== -1) throw new Refusal(400, `input "${name}" element ${at} is NaN, expected a number`);
}

function textsOf(name: string, bytes: Buffer, elements: number): string[] {
  const texts: string[] = [];
  let at = 0;
  while (at < bytes.length && texts.length < elements) {
    const length = at + 4 <= bytes.length ? bytes.readUInt32LE(at) : Infinity;
    if (at + 4 + length > bytes.length) break;
    texts.push(textOf(name, texts.length, bytes.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  if (texts.length === elements && at === bytes.length) return texts;
  throw new Refusal(
    400,
    `input "${name}" has bytes for ${texts.length} texts and ${bytes.length - at} over, expected ${elements} texts, each behind its length in 4 bytes`,
  );
}

/** @throws Refusal 400: a text of the model must be one */
export function textOf(name: string, element: number, bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new Refusal(400, `input "${name}" element ${element} is not UTF-8`);
  const text = bytes.toString('utf8');
  if (isText(text)) return text;
  throw new Refusal(400, `input "${name}" element ${element} is not ${textWords}`);
}

/** @returns the bytes of an output; a view where that is possible */
export function bytesOf(values: Values): Buffer {
  if (ArrayBuffer.isView(values)) return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  const parts = values.flatMap((value) => {
    const text = Buffer.from(value, 'utf8');
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32LE(text.length);
    return [length, text];
  });
  return Buffer.concat(parts);
}
