/**
 * Child processes of our own: what blocks an event loop (training, scoring) or deserves a process of its own
 * (workers and servers under `esteira up`) runs in one. Each leads a process group, and dies with its parent.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { compiled } from './compiled.mjs';
import { bareEnvironment, childEnvironment } from './config.ts';
import type { Environment } from './config.ts';
import { hasCode } from './errno.ts';

export interface ChildLimits {
  /** Of all it holds: resident memory, and what it asks for. */
  memoryBytes: number;
  /** From its start to its end. */
  totalMs: number;
}

export interface ChildOptions {
  args?: readonly string[];
  /** Over this process's own environment; undefined removes a variable. */
  env?: Environment;
  /** For what nobody has vouched for: ended when it takes more than this, and given no environment but `env`. */
  limits?: ChildLimits;
  cwd?: string;
  /** For Node itself. */
  flags?: readonly string[];
  /** Written to the child's stdin, which is then closed. */
  input?: string;
  /** Takes stdout lines that are not JSON, and stderr. Without it they go to this process's stderr. */
  onText?: (line: string) => void;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** The limit that it was ended for. */
  over?: 'memory' | 'time';
}

export interface Child {
  pid: number;
  /** One value a stdout line that is a JSON object. Ends with the child. Read it once, or not at all. */
  events: AsyncIterable<Record<string, unknown>>;
  /** Resolves, never rejects, when the child has ended and its output is read or dropped. */
  exited: Promise<Exit>;
  /** SIGTERM to the group, SIGKILL after `graceMs`. Resolves once the child has ended. */
  kill(graceMs?: number): Promise<void>;
  /** SIGUSR2 to the child alone: asks it to end with what it has. Not SIGUSR1, by which Node opens its debugger. */
  finish(): void;
}

/**
 * For processes that mostly wait, as workers do: 2 MB of young heap in each thread instead of 16, and code that is small
 * before it is fast: 50 MB less at idle. By itself that also makes the heap grow by so little at a time that half of a
 * busy worker's time went into collecting it; with 40 % a lifecycle costs it 2.5 s instead of 4.2 (`npm run bench -- start steps`).
 */
export const waitingFlags = [
  '--max-semi-space-size=2',
  '--optimize-for-size',
  '--heap-growing-percent=40',
] as const;

/** @param url of a module, usually `new URL('./scorer.ts', import.meta.url)`; through tsx where it is not compiled */
export function forkModule(url: URL, options: ChildOptions = {}): Child {
  const script = url.pathname.endsWith('.ts') ? compiled(url) : fileURLToPath(url);
  const loader =
    script === undefined ? ['--import', new URL('./child-loader.mjs', import.meta.url).href] : [];
  const guard = ['--import', new URL('./child-guard.mjs', import.meta.url).href];
  const { flags = [], args = [], limits } = options;
  const words = [process.execPath, ...flags, ...guard, ...loader, script ?? fileURLToPath(url), ...args];
  const [program, ...rest] = limits ? limited(words, limits) : words;
  const child = spawn(program!, rest, {
    cwd: options.cwd,
    env: limits
      ? bareEnvironment({ ...options.env, ...guardSettings(limits) })
      : childEnvironment(options.env),
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    detached: true,
  });
  if (child.pid === undefined) throw new Error(`no process could be started for ${url.href}`);
  const [stdin, stdout, stderr] = child.stdio as unknown as [Writable, Readable, Readable];
  const onText = options.onText ?? ((line: string) => process.stderr.write(`${line}\n`));
  // A child may end before it has read its input; its exit code tells, not this pipe.
  stdin.on('error', (error) => onText(`stdin: ${error.message}`));
  stdin.end(options.input ?? '');
  createInterface({ input: stderr }).on('line', onText);
  const exited = ended(child);
  return {
    pid: child.pid,
    events: eventsOf(stdout, onText),
    exited,
    kill: (graceMs = 5_000) => kill(child.pid!, exited, graceMs),
    finish: () => void child.kill('SIGUSR2'),
  };
}

/** Stacks and arenas that are asked for and never touched: 200 MB in a child that has done nothing yet. */
const untouchedBytes = 256 * 1024 * 1024;

/**
 * The guard ends what grows beyond the limit; what asks for much more at once is refused by the kernel, so that the
 * allocation fails and can be told. Of writable memory: the address space says nothing, Node reserves 33 GB of it.
 */
function limited(words: readonly string[], { memoryBytes }: ChildLimits): string[] {
  if (process.platform !== 'linux') return [...words];
  const kilobytes = Math.floor((memoryBytes * 1.25 + untouchedBytes) / 1024);
  const limit = `ulimit -d ${kilobytes} 2>/dev/null; exec "$0" "$@"`;
  return ['/bin/sh', '-c', limit, ...words];
}

const guardSettings = ({ memoryBytes, totalMs }: ChildLimits): Environment => ({
  CHILD_GUARD: JSON.stringify({ memoryBytes, totalMs }),
});

async function* eventsOf(stdout: Readable, onText: (line: string) => void) {
  for await (const line of createInterface({ input: stdout })) {
    const event = asObject(line);
    if (event) yield event;
    else onText(line);
  }
}

/** @returns undefined for a line that only looks like JSON: programs print what they like. */
function asObject(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function ended(child: ChildProcess): Child['exited'] {
  const guard = child.stdio[3] as Readable;
  let over = '';
  guard.on('data', (word: Buffer) => (over += word.toString()));
  guard.on('error', () => guard.destroy()); // the child is gone; its exit tells
  const silent = new Promise((resolve) => guard.once('close', resolve));
  return new Promise((resolve) => {
    child.once('error', () => resolve({ code: null, signal: null }));
    child.once('exit', (code, signal) => {
      signalGroup(child.pid!, 'SIGKILL'); // what it started and left behind
      void silent.then(() =>
        resolve({ code, signal, ...(over === 'memory' || over === 'time' ? { over } : {}) }),
      );
    });
  });
}

async function kill(pid: number, exited: Child['exited'], graceMs: number): Promise<void> {
  signalGroup(pid, 'SIGTERM');
  const timer = new AbortController();
  const late = sleep(graceMs, 'late' as const, { signal: timer.signal, ref: false }).catch(
    () => 'ended' as const,
  );
  if ((await Promise.race([exited, late])) === 'late') signalGroup(pid, 'SIGKILL');
  timer.abort();
  await exited;
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (!hasCode(error, 'ESRCH', 'EPERM')) throw error;
  }
}
