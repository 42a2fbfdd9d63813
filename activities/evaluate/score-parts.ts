/** Runs the scoring process and reads what it wrote. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { permanent } from '../../contracts/failures.ts';
import { failpoint } from '../../infra/failpoint.ts';
import type { Child, ChildOptions } from '../../infra/child.ts';
import { ScorerEvent } from './scorer-protocol.ts';
import type { ScorerRequest } from './scorer-protocol.ts';

export interface ScoringWork {
  forkModule(url: URL, options: ChildOptions): Child;
  folder: string;
  signal: AbortSignal;
  scored(rows: number): void;
}

/**
 * @returns the first output of each model, row-major
 * @throws `ScoreNotFinite`; the abort reason; Error when the process is lost
 */
export async function scoreParts(
  { forkModule, folder, signal, scored }: ScoringWork,
  models: readonly string[],
  parts: readonly string[],
): Promise<Float32Array[]> {
  const outputs = models.map((_, i) => join(folder, `predictions-${i}.f32`));
  const request: ScorerRequest = {
    models: models.map((path, i) => ({ path, output: outputs[i]! })),
    parts: [...parts],
  };
  const requestPath = join(folder, 'scorer.json');
  await writeFile(requestPath, JSON.stringify(request));

  const lines: string[] = [];
  const onText = (line: string) => void (lines.push(line) > 20 && lines.shift());
  const child = forkModule(new URL('./scorer.ts', import.meta.url), { args: [requestPath], onText });
  const stop = () => void child.kill();
  signal.addEventListener('abort', stop);
  try {
    await hear(child, scored);
    const { code, signal: deadly } = await child.exited;
    signal.throwIfAborted();
    if (code !== 0) throw new Error(`the scorer left with ${deadly ?? code}: ${lines.join('\n')}`);
  } finally {
    signal.removeEventListener('abort', stop);
  }
  return Promise.all(outputs.map(floats));
}

async function hear(child: Child, scored: (rows: number) => void): Promise<void> {
  for await (const line of child.events) {
    const event = ScorerEvent.parse(line);
    await failpoint('evaluate:part');
    if (event.event === 'progress') scored(event.rows);
    else throw permanent('ScoreNotFinite', `row ${event.row} has no finite prediction`, { row: event.row });
  }
}

async function floats(path: string): Promise<Float32Array> {
  const bytes = await readFile(path);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}
