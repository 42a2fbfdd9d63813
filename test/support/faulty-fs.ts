/**
 * Node's file system with a fault at the nth call below a folder, as SQLite tests itself. In this process only:
 * modules that have imported the functions already see these in their place.
 */
import fs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

export const codes = ['EIO', 'ENOSPC', 'EMFILE', 'EROFS'] as const;

const ofPaths = [
  ...(['open', 'readFile', 'writeFile', 'appendFile', 'copyFile', 'link', 'rename', 'unlink', 'rm'] as const),
  ...(['mkdir', 'mkdtemp', 'readdir', 'stat'] as const),
];
const ofHandles = ['read', 'write', 'appendFile', 'sync', 'close'] as const;

const needSpace = ['writeFile', 'appendFile', 'copyFile', 'mkdir', 'mkdtemp', 'write'];

type AnyFunction = (...args: unknown[]) => unknown;
type Functions = Record<string, AnyFunction>;

export interface FaultyFs {
  /** The nth call from now fails with this code, once; or, as on a full disk, each from then on that needs space. */
  arm(at: number, code: string, lasting?: boolean): void;
  /** Calls that are left until it fails; below zero once it has. */
  readonly left: number;
  /** What has failed since: the function's name. */
  disarm(): string | undefined;
  restore(): void;
}

/** @param root only calls that name a path below it count, and calls on files that were opened there */
export function breakFs(root: string): FaultyFs {
  const fault = { left: 0, code: '', lasting: false, failed: undefined as string | undefined };
  const originals = { promises: {} as Functions, open: fs.open, read: fs.read };
  const promises = fs.promises as unknown as Functions;
  const strike = (name: string, what: unknown) => {
    fault.left--;
    const due = fault.lasting ? fault.left <= 0 && needSpace.includes(name) : fault.left === 0;
    if (!due) return undefined;
    fault.failed ??= name;
    return Object.assign(new Error(`${fault.code}: on purpose, ${name} ${String(what)}`), {
      code: fault.code,
    });
  };
  const below = (args: unknown[]) => args.find((one) => typeof one === 'string' && one.startsWith(root));

  for (const name of ofPaths) {
    const original = (originals.promises[name] = promises[name]!);
    promises[name] = async (...args) => {
      const path = below(args);
      const error = path === undefined ? undefined : strike(name, path);
      if (error) throw error;
      const result = await original(...args);
      if (name === 'open' && path !== undefined) breakHandle(result as FileHandle, strike);
      return result;
    };
  }
  breakStreams(below, strike);
  syncBuiltinESMExports();
  return {
    arm: (at, code, lasting = false) =>
      void Object.assign(fault, { left: at, code, lasting, failed: undefined }),
    disarm() {
      Object.assign(fault, { left: 0, lasting: false });
      return fault.failed;
    },
    get left() {
      return fault.left;
    },
    restore() {
      Object.assign(promises, originals.promises);
      Object.assign(fs, { open: originals.open, read: originals.read });
      syncBuiltinESMExports();
    },
  };
}

type Strike = (name: string, what: unknown) => Error | undefined;

/** A close that fails has closed all the same, as Linux has it. */
function breakHandle(handle: FileHandle, strike: Strike): void {
  const methods = handle as unknown as Functions;
  for (const name of ofHandles) {
    const original = methods[name]!.bind(handle);
    methods[name] = async (...args) => {
      const error = strike(name, handle.fd);
      if (error && name === 'close') await original();
      if (error) throw error;
      return original(...args);
    };
  }
}

/** `createReadStream` calls these two. */
function breakStreams(below: (args: unknown[]) => unknown, strike: Strike): void {
  const { open, read } = fs as unknown as { open: AnyFunction; read: AnyFunction };
  const ours = new Set<unknown>();
  const patched =
    (original: AnyFunction, name: string, counts: (args: unknown[]) => boolean): AnyFunction =>
    (...args) => {
      const done = args.at(-1) as (error: Error | null, ...results: unknown[]) => void;
      const error = counts(args) ? strike(name, args[0]) : undefined;
      if (error) return process.nextTick(() => done(error));
      return original(...args.slice(0, -1), (failure: Error | null, ...results: unknown[]) => {
        if (name === 'open' && !failure && counts(args)) ours.add(results[0]);
        done(failure, ...results);
      });
    };
  Object.assign(fs, {
    open: patched(open, 'stream open', (args) => below(args) !== undefined),
    read: patched(read, 'stream read', ([fd]) => ours.has(fd)),
  });
}
