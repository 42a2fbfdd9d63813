/**
 * A few rows through a packaged model: golden batches, tests. Large data goes through evaluate's scoring process.
 *
 * The model may be one that nobody has approved: so it runs in a child process, in an empty folder, without our
 * environment, within limits.
 */
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { permanent } from '../../contracts/failures.ts';
import type { Signature } from '../../contracts/serving.ts';
import { forkModule } from '../child.ts';
import type { ChildLimits } from '../child.ts';
import type { ColumnBatch } from './session.ts';
import { ScoreReply } from './score-protocol.ts';
import type { ScoreRequest } from './score-protocol.ts';

/** Beside four times the model's size. Node and the runtime take 250 MB of it, and start in a second. */
export const scoreLimits: ChildLimits = { memoryBytes: 1_024 * 1024 * 1024, totalMs: 60_000 };

/**
 * @param folder to make the empty one in
 * @returns the first output of the signature, row-major
 * @throws `ModelRefused`; Error when the process is lost
 */
export async function score(
  model: string | Uint8Array,
  signature: Signature,
  columns: ColumnBatch,
  folder: string = tmpdir(),
  limits = scoreLimits,
): Promise<number[]> {
  const work = await mkdtemp(join(folder, 'esteira-score-'));
  const given = await mkdtemp(join(folder, 'esteira-model-'));
  try {
    const path = typeof model === 'string' ? model : join(given, 'model.onnx');
    if (typeof model !== 'string') await writeFile(path, model);
    const memoryBytes = limits.memoryBytes + 4 * (await stat(path)).size;
    return await ask({ path, signature, columns }, work, { ...limits, memoryBytes });
  } finally {
    await rm(work, { recursive: true, force: true });
    await rm(given, { recursive: true, force: true });
  }
}

async function ask(request: ScoreRequest, cwd: string, limits: ChildLimits): Promise<number[]> {
  const lines: string[] = [];
  const child = forkModule(new URL('./score-child.ts', import.meta.url), {
    ...{ cwd, limits, input: JSON.stringify(request) },
    onText: (line) => void (lines.push(line) > 20 && lines.shift()),
  });
  let reply: ScoreReply | undefined;
  for await (const line of child.events) reply = ScoreReply.parse(line);
  const { code, signal, over } = await child.exited;
  const uri = basename(request.path);
  const refused = (why: string) =>
    permanent('ModelRefused', `model ${uri.slice(0, 12)} is refused: ${why}`, { uri });
  if (over) throw refused(`it goes beyond its limit of ${over} on a few rows`);
  if (reply?.event === 'refused') throw refused(reply.reason);
  if (reply?.event === 'scored' && code === 0) return floats(reply.outputs);
  throw new Error(`scoring left with ${signal ?? code}: ${lines.join('\n')}`);
}

function floats(base64: string): number[] {
  const bytes = Uint8Array.from(Buffer.from(base64, 'base64'));
  return Array.from(new Float32Array(bytes.buffer));
}
