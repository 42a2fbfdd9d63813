/** A store that fails at its nth call, before or after the effect, or answers what is not so. */
import type { Store } from '../../infra/store/store.ts';

const operations = [
  ...(['putBlob', 'putFile', 'readBlob', 'localPath', 'read', 'create', 'createFromFile', 'swap'] as const),
  ...(['localKey', 'list', 'delete'] as const),
];
type Operation = (typeof operations)[number];

export interface StoreFault {
  /**
   * `before`: nothing happens; `after`: it happens, and the answer is lost; `slow`: a second passes first.
   * Of `read` only: `stale` answers what this key held at the call before, `truncated` half of it, `wrong` another byte.
   */
  kind: 'before' | 'after' | 'slow' | 'stale' | 'truncated' | 'wrong';
  /** Absent: any. */
  operation?: Operation;
  /** The call that meets it, from 1. It does once. */
  at: number;
}

export interface FaultyStore extends Store {
  /** Nothing disarms. */
  arm(fault?: StoreFault): void;
  /** Calls since it was armed that the fault is about. */
  readonly calls: number;
}

type Read = Awaited<ReturnType<Store['read']>>;
type AnyFunction = (...args: unknown[]) => unknown;

export function faultyStore(store: Store): FaultyStore {
  let armed: StoreFault | undefined;
  let calls = 0;
  const last = new Map<unknown, Read>();

  const meets = (operation: Operation): StoreFault['kind'] | undefined => {
    if (armed?.operation !== undefined && armed.operation !== operation) return undefined;
    return ++calls === armed?.at ? armed.kind : undefined;
  };
  const asked = async (operation: Operation, args: unknown[], kind: StoreFault['kind'] | undefined) => {
    if (kind === 'before') throw new Error(`on purpose, before ${operation}`);
    if (kind === 'slow') await new Promise((resolve) => setTimeout(resolve, 1_000));
    const answer = await (store[operation] as AnyFunction).apply(store, args);
    if (kind === 'after') throw new Error(`on purpose, after ${operation}`);
    if (operation !== 'read') return answer;
    const before = last.get(args[0]);
    last.set(args[0], answer as Read);
    return spoilt(answer as Read, before, kind);
  };
  async function* streamed(operation: 'list' | 'readBlob', args: unknown[], kind?: StoreFault['kind']) {
    if (kind === 'before') throw new Error(`on purpose, before ${operation}`);
    yield* (store[operation] as AnyFunction).apply(store, args) as AsyncIterable<unknown>;
    if (kind === 'after') throw new Error(`on purpose, after ${operation}`);
  }

  const methods = Object.fromEntries(
    operations.map((operation) => [
      operation,
      (...args: unknown[]) => {
        const kind = meets(operation);
        return operation === 'list' || operation === 'readBlob'
          ? streamed(operation, args, kind)
          : asked(operation, args, kind);
      },
    ]),
  );
  return {
    ...(methods as unknown as Pick<Store, Operation>),
    uri: store.uri,
    sweep: () => store.sweep(),
    close: () => store.close(),
    arm(fault) {
      armed = fault;
      calls = 0;
    },
    get calls() {
      return calls;
    },
  };
}

function spoilt(found: Read, before: Read, kind: StoreFault['kind'] | undefined): Read {
  if (kind === 'stale') return before;
  if (!found || (kind !== 'wrong' && kind !== 'truncated')) return found;
  const bytes = Buffer.from(found.bytes);
  if (kind === 'truncated') return { ...found, bytes: bytes.subarray(0, bytes.length / 2) };
  bytes[bytes.length >> 1]! ^= 1;
  return { ...found, bytes };
}
