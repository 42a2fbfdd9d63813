/**
 * Rows as the cache keeps them: a fifth of their plain JSON, for reading that was most of the time a list took.
 * Digests and names, which most runs share, are written once.
 */
import type { Run, Scalar } from './run.ts';

/** A row, and what its records looked like when it was read. */
export interface Kept {
  stamp: string;
  run: Run;
}

/** Numbers stand for places in `words` and in `shapes`. */
interface Packed {
  format: number;
  words: string[];
  /** Names of parameters or metrics, in their order. */
  shapes: string[][];
  rows: [place: string, stamp: string, fields: Field[], digests: number[], Values<Scalar>, Values<number>][];
}
type Field = Scalar | null;
type Values<T> = [shape: number, ...values: T[]];

/** To be raised when `Run` changes. */
const format = 2;

const fields = [
  ...(['run', 'lifecycleId', 'model', 'number', 'trial', 'state', 'started', 'seconds', 'steps'] as const),
  ...(['cost', 'backend', 'device', 'seed', 'gates', 'commit', 'changed'] as const),
] satisfies (keyof Run)[];
const digests = ['artifact', 'data', 'project', 'code', 'environment'] as const;

export function pack(kept: ReadonlyMap<string, Kept>): string {
  const words = new Places<string>();
  const shapes = new Places<string[]>();
  const values = <T>(record: Record<string, T>): Values<T> => [
    shapes.of(JSON.stringify(Object.keys(record)), Object.keys(record)),
    ...Object.values(record),
  ];
  const rows: Packed['rows'] = [...kept].map(([place, { stamp, run }]) => [
    ...([place, stamp] as const),
    fields.map((name) => run[name]),
    digests.map((name) => words.of(run.digests[name] ?? '', run.digests[name] ?? '')),
    ...([values(run.parameters), values(run.metrics)] as const),
  ]);
  const packed: Packed = { format, words: words.all, shapes: shapes.all, rows };
  return JSON.stringify(packed);
}

/** @returns nothing for what another release has packed. @throws SyntaxError on a damaged text */
export function unpack(text: string): Map<string, Kept> {
  const packed = JSON.parse(text) as Packed;
  const kept = new Map<string, Kept>();
  if (packed.format !== format) return kept;
  const record = <T>([shape, ...values]: Values<T>): Record<string, T> => {
    const names = packed.shapes[shape]!;
    const made: Record<string, T> = {};
    for (let i = 0; i < names.length; i++) made[names[i]!] = values[i]!;
    return made;
  };
  for (const [place, stamp, given, words, parameters, metrics] of packed.rows) {
    const run: Record<string, unknown> = {};
    for (let i = 0; i < fields.length; i++) run[fields[i]!] = given[i];
    const known: Run['digests'] = {};
    for (let i = 0; i < digests.length; i++) {
      const word = packed.words[words[i]!];
      if (word) known[digests[i]!] = word;
    }
    Object.assign(run, { digests: known, parameters: record(parameters), metrics: record(metrics) });
    kept.set(place, { stamp, run: run as unknown as Run });
  }
  return kept;
}

/** Each value once, and where it is. */
class Places<T> {
  readonly all: T[] = [];
  readonly #known = new Map<string, number>();

  of(key: string, value: T): number {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#known.set(key, this.all.length);
    return this.all.push(value) - 1;
  }
}
