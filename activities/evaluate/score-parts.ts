/**
 * Runs the scoring process and reads what it wrote.
 *
 * A model that nobody has approved yet runs there, and only there: in an empty folder, without our environment, within
 * limits of memory and time. To pass one is the model's fault and no accident, so it is not tried again.
 */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { permanent } from '../../contracts/failures.ts';
import { failpoint } from '../../infra/failpoint.ts';
import type { Child, ChildOptions, Exit } from '../../infra/child.ts';
import { ScorerEvent } from './scorer-protocol.ts';
import type { ScorerRequest } from './scorer-protocol.ts';
import { heard } from '../heard.ts';

export interface ScoringLimits {
  /** Beside four times the models' own size: DuckDB may take 512 MB of it, Node and the runtime 250. */
  memoryBytes: number;
  /** For 2,048 rows, and for opening. A second is much. */
  batchMs: number;
  /** Less than the hour that the stage has. */
  totalMs: number;
}

export const scoringLimits: ScoringLimits = {
  memoryBytes: 1_536 * 1024 * 1024,
  batchMs: 60_000,
  totalMs: 50 * 60_000,
};

export interface ScoringWork {
  forkModule(url: URL, options: ChildOptions): Child;
  folder: string;
  signal: AbortSignal;
  scored(rows: number): void;
}

/**
 * @param limits.shuffled a part for the first model alone, whose predictions follow those of the others, as far as there are any
 * @returns the first output of each model, row-major
 * @throws `ScoreNotFinite`, `ModelRefused`; the abort reason; Error when the process is lost
 */
export async function scoreParts(
  { forkModule, folder, signal, scored }: ScoringWork,
  models: readonly string[],
  parts: readonly string[],
  { shuffled, ...limits }: ScoringLimits & { shuffled?: string | undefined } = scoringLimits,
): Promise<Float32Array[]> {
  const outputs = models.map((_, i) => join(folder, `predictions-${i}.f32`));
  const request: ScorerRequest = {
    models: models.map((path, i) => ({ path, output: outputs[i]! })),
    parts: [...parts],
    ...(shuffled !== undefined && { shuffled }),
  };
  const requestPath = join(folder, 'scorer.json');
  await writeFile(requestPath, JSON.stringify(request));
  const empty = join(folder, 'empty');
  await mkdir(empty);

  const lines: string[] = [];
  const onText = (line: string) => void (lines.push(line) > 20 && lines.shift());
  const memoryBytes = limits.memoryBytes + 4 * (await bytesOf(models));
  const child = forkModule(new URL('./scorer.ts', import.meta.url), {
    ...{ args: [requestPath], onText, cwd: empty },
    limits: { memoryBytes, totalMs: limits.totalMs },
  });
  let left = false;
  const stop = () => void child.kill();
  signal.addEventListener('abort', stop);
  try {
    await hear(child, models, limits.batchMs, scored);
    const exit = await child.exited;
    left = true;
    signal.throwIfAborted();
    refuseBad(exit, models, memoryBytes, limits.totalMs);
    const { code, signal: deadly } = exit;
    if (code !== 0) throw new Error(`the scorer left with ${deadly ?? code}: ${lines.join('\n')}`);
  } finally {
    signal.removeEventListener('abort', stop);
    if (!left) await child.kill(0);
  }
  return Promise.all(outputs.map(floats));
}

async function hear(
  child: Child,
  models: readonly string[],
  batchMs: number,
  scored: (rows: number) => void,
): Promise<void> {
  const late = () => refused(models[0]!, `it had no answer for a batch of rows in ${batchMs / 1_000} s`);
  for await (const line of heard(child, batchMs, late)) {
    const event = ScorerEvent.parse(line);
    await failpoint('evaluate:part');
    if (event.event === 'progress') scored(event.rows);
    else if (event.event === 'refused') throw refused(models[event.model] ?? models[0]!, event.reason);
    else throw permanent('ScoreNotFinite', `row ${event.row} has no finite prediction`, { row: event.row });
  }
}

/** How native code ends that was led astray; a kill from outside (SIGKILL, SIGTERM) is none of the model's doing. */
export const crashes: ReadonlySet<NodeJS.Signals> = new Set([
  'SIGSEGV',
  'SIGBUS',
  'SIGILL',
  'SIGFPE',
  'SIGABRT',
]);

function refuseBad(
  { signal, over }: Exit,
  models: readonly string[],
  memoryBytes: number,
  totalMs: number,
): void {
  if (over === 'memory') {
    throw refused(
      models[0]!,
      `to score it takes more than ${Math.round(memoryBytes / 2 ** 20)} MiB of memory`,
    );
  }
  if (over === 'time') throw refused(models[0]!, `to score it takes more than ${totalMs / 1_000} s`);
  if (signal && crashes.has(signal)) throw refused(models[0]!, `it crashes the runtime (${signal})`);
}

/** Blobs are named by their digest, so the last part of a path names the model and no place. */
function refused(path: string, why: string) {
  const uri = basename(path);
  return permanent('ModelRefused', `model ${uri.slice(0, 12)} is refused: ${why}`, { uri });
}

async function bytesOf(models: readonly string[]): Promise<number> {
  const sizes = await Promise.all(models.map(async (path) => (await stat(path)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function floats(path: string): Promise<Float32Array> {
  const bytes = await readFile(path);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}
