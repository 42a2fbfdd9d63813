/**
 * The first look at a model file, before any library decodes it: is it laid out as ONNX is, within bounds, and
 * complete in itself?
 *
 * It walks the bytes with a stack of its own, so that ten thousand nested graphs cost a refusal and not the process,
 * and it looks into every tensor there is, wherever it hides: initializers, attributes, subgraphs, functions, training.
 * A decoded model is never asked about that: decoders drop what they do not know, and runtimes read it.
 */
import { layouts } from './layout.ts';
import type { FieldSpec, MessageName, Scalar } from './layout.ts';
import { WireFault, WireReader, wireTypes } from './wire.ts';

/** More than any model of rows and columns needs; each bound is some memory of whoever decodes it. */
export const modelLimits = {
  bytes: 512 * 1024 * 1024,
  nodes: 100_000,
  /** Graphs within graphs: an `If` in a `Loop` in a `Loop` is three. */
  graphs: 16,
  /** Messages within messages of any kind. */
  depth: 64,
  /** Messages and texts: each becomes an object of some hundred bytes. */
  items: 4_000_000,
  /** Numbers outside of raw data, as trees of `ai.onnx.ml` have them: each becomes some 40 bytes. */
  numbers: 16_000_000,
};

interface Frame {
  message: MessageName;
  /** How the message is called in its parent. */
  label: string;
  at: number;
  end: number;
  graphs: number;
  /** How often each field was met. */
  met: Map<number, number>;
}

/** @returns what is wrong, a sentence each, naming the place; none means it may be decoded. */
export function scan(bytes: Uint8Array): string[] {
  const { bytes: most } = modelLimits;
  if (bytes.length > most) return [`it has ${bytes.length} bytes; at most ${most} are taken`];
  const walk = new Walk(bytes);
  try {
    walk.run();
  } catch (error) {
    if (!(error instanceof WireFault)) throw error;
    return [...walk.faults, error.message];
  }
  return walk.faults;
}

/** Further ones say the same: a file split in two has all of its tensors outside. */
const faultsAtMost = 5;

class Walk {
  readonly faults: string[] = [];
  readonly #reader: WireReader;
  readonly #frames: Frame[] = [];
  #count = { nodes: 0, items: 0, numbers: 0 };

  constructor(bytes: Uint8Array) {
    this.#reader = new WireReader(bytes);
    this.#push('Model', 'model', 0, bytes.length);
  }

  run(): void {
    for (let frame = this.#frames.at(-1); frame; frame = this.#frames.at(-1)) {
      if (frame.at === frame.end) this.#frames.pop();
      else this.#field(frame);
    }
  }

  #field(frame: Frame): void {
    const reader = this.#reader;
    frame.at = reader.read(frame.at, frame.end);
    const spec = layouts.get(frame.message)!.get(reader.field);
    if (!spec) throw this.#fault(`has a field ${reader.field}, which ONNX does not have there`);
    const before = frame.met.get(reader.field) ?? 0;
    frame.met.set(reader.field, before + 1);
    if (before > 0 && !spec.many) throw this.#fault(`has ${spec.name} twice`);
    if (frame.message === 'Tensor') this.#keptOutside(spec);
    if (spec.message) {
      this.#refuseWire(spec, reader.wire === wireTypes.bytes);
      this.#push(spec.message, spec.many ? `${spec.name}[${before}]` : spec.name, reader.from, reader.until);
    } else this.#scalar(spec, spec.scalar!);
  }

  /** Any trace of external data counts, whether the location says so or not: runtimes differ about which one rules. */
  #keptOutside(spec: FieldSpec): void {
    const { value, wire, bytes, from, until } = this.#reader;
    const located = spec.name === 'data_location' && !(wire === wireTypes.varint && value === 0);
    if (!located && spec.name !== 'external_data') return;
    if (this.faults.length >= faultsAtMost) return;
    const inMemory = Buffer.from(bytes.buffer, bytes.byteOffset + from, until - from).includes(
      '_ORT_MEM_ADDR_',
    );
    const where = inMemory ? 'at an address in memory' : 'outside the file';
    const fault = `${this.#place()} keeps its data ${where}`;
    if (!this.faults.includes(fault)) this.faults.push(fault);
  }

  #scalar(spec: FieldSpec, scalar: Scalar): void {
    const { wire, from, until } = this.#reader;
    const plain = wireOf[scalar];
    const packed = spec.many && scalar !== 'text' && wire === wireTypes.bytes;
    this.#refuseWire(spec, packed || wire === plain);
    if (scalar === 'text') this.#add('items', 1);
    else this.#add('numbers', packed ? this.#packed(plain, from, until) : 1);
  }

  /** @returns how many numbers lie between */
  #packed(wire: number, from: number, until: number): number {
    if (wire !== wireTypes.varint) return Math.ceil((until - from) / (wire === wireTypes.fixed32 ? 4 : 8));
    let count = 0;
    for (let at = from; at < until; at++) if (this.#reader.bytes[at]! < 0x80) count++;
    return count;
  }

  #push(message: MessageName, label: string, at: number, end: number): void {
    const graphs = (this.#frames.at(-1)?.graphs ?? 0) + (message === 'Graph' ? 1 : 0);
    this.#frames.push({ message, label, at, end, graphs, met: new Map() });
    this.#add('items', 1);
    if (message === 'Node') this.#add('nodes', 1);
    const { depth, graphs: most } = modelLimits;
    if (graphs > most) throw this.#fault(`is a graph within ${graphs - 1} others; at most ${most} nest`);
    if (this.#frames.length > depth) throw this.#fault(`lies deeper than ${depth} messages`);
  }

  #add(what: 'nodes' | 'items' | 'numbers', count: number): void {
    this.#count[what] += count;
    if (this.#count[what] <= modelLimits[what]) return;
    throw new WireFault(`it has more than ${modelLimits[what]} ${what}`);
  }

  #refuseWire(spec: FieldSpec, fits: boolean): void {
    if (!fits) throw this.#fault(`has ${spec.name} as wire type ${this.#reader.wire}, which ONNX does not`);
  }

  #fault(sentence: string): WireFault {
    return new WireFault(`${this.#place()} ${sentence}`);
  }

  /** `graph.node[3].attribute[0].t`; the middle of a long one is left out. */
  #place(): string {
    const labels = this.#frames.slice(1).map(({ label }) => label);
    if (labels.length === 0) return 'it';
    return labels.length > 12
      ? [...labels.slice(0, 6), '…', ...labels.slice(-4)].join('.')
      : labels.join('.');
  }
}

const wireOf: Record<Scalar, number> = {
  int: wireTypes.varint,
  float: wireTypes.fixed32,
  double: wireTypes.fixed64,
  text: wireTypes.bytes,
};
