/**
 * A look at a Parquet file's footer before DuckDB parses it: its parser goes into nested groups by recursion, and a
 * hundred thousand of them, which is a file of a megabyte, end the process.
 *
 * Reads Thrift's compact protocol, of which it keeps three things and skips the rest.
 *
 * @see https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
 */
import { open } from 'node:fs/promises';

export interface FooterFacts {
  /** Elements of the schema: columns, and the groups they are in. */
  elements: number;
  /** Groups within groups. */
  depth: number;
  rows: number;
}

/** Some thousand row groups of a thousand columns. */
const footerBytesAtMost = 64 * 1024 * 1024;

/** The file is not what its name says. Its message says how. */
export class FooterFault extends Error {
  override name = 'FooterFault';
}

/** @throws FooterFault */
export async function readFooter(path: string): Promise<FooterFacts> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const end = Buffer.alloc(8);
    if (size < 12) throw new FooterFault('it is too short for a Parquet file');
    await file.read(end, 0, 8, size - 8);
    if (end.toString('latin1', 4) !== 'PAR1') throw new FooterFault('it does not end as a Parquet file does');
    const length = end.readUInt32LE(0);
    if (length > size - 12) throw new FooterFault('its footer is larger than the file');
    if (length > footerBytesAtMost) throw new FooterFault(`its footer has ${length} bytes`);
    const footer = Buffer.alloc(length);
    await file.read(footer, 0, length, size - 8 - length);
    return factsOf(new Compact(footer));
  } finally {
    await file.close();
  }
}

function factsOf(footer: Compact): FooterFacts {
  const facts = { elements: 0, depth: 0, rows: 0 };
  let claimed = 0;
  footer.struct((id, type) => {
    if (id === 2 && type === types.list) Object.assign(facts, readSchema(footer));
    else if (id === 3 && type === types.i64) claimed = footer.integer();
    else if (id === 4 && type === types.list) footer.list(() => (facts.rows += readRows(footer)));
    else footer.skip(type);
  });
  if (claimed !== facts.rows) {
    throw new FooterFault(`its footer says ${claimed} rows, its row groups say ${facts.rows}`);
  }
  return facts;
}

/** The tree lies flat, each element saying how many of the next are its children. */
function readSchema(footer: Compact): { elements: number; depth: number } {
  const open: number[] = [];
  let elements = 0;
  let depth = 0;
  footer.list(() => {
    elements++;
    let children = 0;
    footer.struct((id, type) => {
      if (id === 5 && type === types.i32) children = footer.integer();
      else footer.skip(type);
    });
    while (open.at(-1) === 0) open.pop();
    if (open.length > 0) open[open.length - 1]!--;
    if (children > 0) open.push(children);
    depth = Math.max(depth, open.length);
  });
  return { elements, depth };
}

/** @returns the rows of one row group */
function readRows(footer: Compact): number {
  let rows = 0;
  footer.struct((id, type) => {
    if (id === 3 && type === types.i64) rows = footer.integer();
    else footer.skip(type);
  });
  if (rows < 0) throw new FooterFault(`a row group says it has ${rows} rows`);
  return rows;
}

const types = {
  true: 1,
  false: 2,
  byte: 3,
  i16: 4,
  i32: 5,
  i64: 6,
  double: 7,
  binary: 8,
  list: 9,
  set: 10,
  map: 11,
};
const structType = 12;

/** Deeper than any field of the format. */
const deepest = 16;

class Compact {
  readonly #bytes: Buffer;
  #at = 0;
  #depth = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Calls `field` at each field, whose value it must take or skip. */
  struct(field: (id: number, type: number) => void): void {
    if (++this.#depth > deepest) throw new FooterFault(`its footer nests deeper than ${deepest}`);
    let id = 0;
    for (let head = this.#byte(); head !== 0; head = this.#byte()) {
      id = head >> 4 === 0 ? this.integer() : id + (head >> 4);
      field(id, head & 15);
    }
    this.#depth--;
  }

  /** Calls `element` as often as the list says it has elements. */
  list(element: (type: number) => void): void {
    const head = this.#byte();
    const size = head >> 4 === 15 ? this.#varint() : head >> 4;
    for (let i = 0; i < size; i++) element(head & 15);
  }

  /** A zigzag number; exact below 2^53. */
  integer(): number {
    const value = this.#varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  skip(type: number): void {
    if (type === types.true || type === types.false) return;
    if (type === types.byte) this.#byte();
    else if (type === types.i16 || type === types.i32 || type === types.i64) this.#varint();
    else if (type === types.double) this.#forward(8);
    else if (type === types.binary) this.#forward(this.#varint());
    else if (type === types.list || type === types.set) this.#skipList();
    else if (type === structType) this.struct((_, inner) => this.skip(inner));
    else throw new FooterFault(`its footer holds a value of type ${type}`);
  }

  /** Within a list, true and false take a byte each. */
  #skipList(): void {
    if (++this.#depth > deepest) throw new FooterFault(`its footer nests deeper than ${deepest}`);
    this.list((type) => (type <= types.false ? this.#byte() : this.skip(type)));
    this.#depth--;
  }

  #forward(bytes: number): void {
    this.#at += bytes;
    if (this.#at > this.#bytes.length) throw cut();
  }

  #byte(): number {
    if (this.#at >= this.#bytes.length) throw cut();
    return this.#bytes[this.#at++]!;
  }

  #varint(): number {
    let value = 0;
    for (let i = 0; i < 10; i++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    throw new FooterFault('a number in its footer does not end');
  }
}

const cut = () => new FooterFault('its footer ends in the middle');
