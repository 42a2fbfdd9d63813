/**
 * Protobuf's wire format, read by hand: one field at a time, nothing copied, nothing recursive.
 *
 * Stricter than any library, since two libraries that differ about the same bytes (one merges a field given twice,
 * the other takes the last) would let one of them see what the other does not.
 *
 * @see https://protobuf.dev/programming-guides/encoding/
 */

/** The bytes are no protobuf, or not as ONNX lays it out. Its message says what and where. */
export class WireFault extends Error {
  override name = 'WireFault';
}

export const wireTypes = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** Where the field just read is. Reused, for a model may have millions of them. */
export class WireReader {
  readonly bytes: Uint8Array;
  field = 0;
  wire = 0;
  /** Of a varint; exact below 2^53, which is enough to tell zero from others. */
  value = 0;
  /** The payload: `from` ≤ i < `until`. */
  from = 0;
  until = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Reads the field that begins at `at`. @returns where the next begins. @throws WireFault beyond `end` */
  read(at: number, end: number): number {
    const tagEnd = this.#varint(at, end, 5);
    this.field = Math.floor(this.value / 8);
    this.wire = this.value % 8;
    this.from = tagEnd;
    if (this.field === 0) throw new WireFault('it holds a field numbered 0');
    this.until = this.#payloadEnd(tagEnd, end);
    if (this.until > end) throw new WireFault(`field ${this.field} ends beyond what holds it`);
    return this.until;
  }

  #payloadEnd(at: number, end: number): number {
    switch (this.wire) {
      case wireTypes.varint:
        return this.#varint(at, end, 10);
      case wireTypes.fixed64:
        return at + 8;
      case wireTypes.fixed32:
        return at + 4;
      case wireTypes.bytes:
        this.from = this.#varint(at, end, 5);
        return this.from + this.value;
      default:
        throw new WireFault(`field ${this.field} is of wire type ${this.wire}`);
    }
  }

  #varint(at: number, end: number, longest: number): number {
    let value = 0;
    for (let i = 0; i < longest && at + i < end; i++) {
      const byte = this.bytes[at + i]!;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte >= 0x80) continue;
      this.value = value;
      return at + i + 1;
    }
    throw new WireFault('a number in it does not end');
  }
}
