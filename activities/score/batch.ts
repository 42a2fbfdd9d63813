/**
 * One batch: the parts that are not in the output yet, scored by one process and committed one by one as they are
 * made. So a batch that is lost has lost the part under way, and no more.
 */
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { z } from 'zod';
import { permanent } from '../../contracts/failures.ts';
import type { ScoredPart, ScorePlan, ScoreRequest, ScoreSource } from '../../contracts/score.ts';
import type { Child, ChildOptions, Exit } from '../../infra/child.ts';
import { failpoint } from '../../infra/failpoint.ts';
import type { Store } from '../../infra/store/store.ts';
import { crashes } from '../evaluate/score-parts.ts';
import { ScoreChildEvent } from './child-protocol.ts';
import type { ScoreChildRequest } from './child-protocol.ts';
import { unreadable } from './inputs.ts';
import { commitPart, foundPart, listed } from './output.ts';
import type { Committing } from './output.ts';
import { heard } from '../heard.ts';

/** Beside four times the model's size: DuckDB may take 512 MB of it, Node and the runtime 250. */
const memoryBytes = 1_536 * 1024 * 1024;
/** A model that takes longer for 2,048 rows, or to be opened, will not end. */
const silenceMs = 120_000;
/** Less than the activity has. */
const totalMs = 11 * 3_600_000;

export interface BatchWork {
  store: Store;
  forkModule(url: URL, options: ChildOptions): Child;
  folder: string;
  signal: AbortSignal;
  request: ScoreRequest;
  plan: z.infer<typeof ScorePlan>;
  batch: number;
  /** Path of the version's ONNX file, verified. */
  model: string;
  committing: Committing;
  s3: Store | undefined;
  said(rows: number): void;
}

export interface BatchDone {
  parts: ScoredPart[];
  /** How many of them were there before. */
  found: number;
}

export async function scoreBatch(work: BatchWork): Promise<BatchDone> {
  const { plan, batch, committing } = work;
  const { from, until } = plan.batches[batch]!;
  const there = await listed(committing.out);
  const done = new Map<number, ScoredPart>();
  for (let i = from; i < until; i++) {
    const part = plan.claim.parts[i]!;
    const found = there.has(part.name) ? await foundPart(committing, part) : undefined;
    if (found) done.set(i, found);
  }
  const found = done.size;
  const missing = Array.from({ length: until - from }, (_, i) => from + i).filter((i) => !done.has(i));
  if (missing.length > 0) await scored(work, missing, done);
  return { parts: [...done].toSorted(([a], [b]) => a - b).map(([, part]) => part), found };
}

async function scored(work: BatchWork, missing: number[], done: Map<number, ScoredPart>): Promise<void> {
  const { folder, forkModule, request, plan, model, signal } = work;
  const asked: ScoreChildRequest = {
    ...{ model, version: request.version, plan: plan.digest, keep: request.keep ?? null },
    parts: await Promise.all(missing.map((i) => partOf(work, i))),
  };
  const requestPath = join(folder, 'request.json');
  await writeFile(requestPath, JSON.stringify(asked));
  const cwd = join(folder, 'empty');
  await mkdir(cwd);
  const lines: string[] = [];
  const child = forkModule(new URL('./score-child.ts', import.meta.url), {
    ...{ args: [requestPath], cwd },
    onText: (line) => void (lines.push(line) > 20 && lines.shift()),
    limits: { memoryBytes: memoryBytes + 4 * (await stat(model)).size, totalMs },
  });
  const stop = () => void child.kill();
  signal.addEventListener('abort', stop);
  let exit: Exit | undefined;
  try {
    const before = [...done.values()].reduce((sum, { rows }) => sum + rows, 0);
    await hear(work, child, { before, done });
    exit = await child.exited;
  } finally {
    signal.removeEventListener('abort', stop);
    if (!exit) await child.kill(0);
  }
  signal.throwIfAborted();
  if (exit.over) throw refused(model, `it goes beyond its limit of ${exit.over}`);
  if (exit.signal && crashes.has(exit.signal))
    throw refused(model, `it crashes the runtime (${exit.signal})`);
  if (exit.code !== 0) throw new Error(`scoring left with ${exit.signal ?? exit.code}: ${lines.join('\n')}`);
}

async function partOf(
  { plan, store, s3, folder }: BatchWork,
  i: number,
): Promise<ScoreChildRequest['parts'][number]> {
  const { input, from, rows } = plan.claim.parts[i]!;
  const { name, rows: all } = plan.claim.inputs[input]!;
  const path = await pathOf(plan.sources[input]!, name, { store, s3 });
  const range = rows === all ? {} : { range: { from, until: from + rows } };
  return { part: i, path, ...range, rows, output: join(folder, `${i}.parquet`) };
}

/** @throws `UnreadableSource` for a file that is another one by now */
async function pathOf(
  source: z.infer<typeof ScoreSource>,
  name: string,
  { store, s3 }: { store: Store; s3: Store | undefined },
): Promise<string> {
  if (source.in === 'store') return store.localKey(source.key!);
  const path = source.in === 's3' ? await s3!.localKey(source.key!) : source.path!;
  const { size, mtimeMs } = await stat(path);
  const same = size === source.bytes && (source.modifiedMs === undefined || source.modifiedMs === mtimeMs);
  if (!same) throw changed(name);
  return path;
}

const changed = (name: string) =>
  unreadable(name, 'it was changed while it was scored; ask once more, with --overwrite');

async function hear(
  work: BatchWork,
  child: Child,
  { before, done }: { before: number; done: Map<number, ScoredPart> },
): Promise<void> {
  const { plan, committing, folder, model, said } = work;
  const late = () => refused(model, `it had no answer for a batch of rows in ${silenceMs / 1_000} s`);
  for await (const line of heard(child, silenceMs, late)) {
    const event = ScoreChildEvent.parse(line);
    if (event.event === 'progress') said(before + event.rows);
    else if (event.event === 'refused') throw refused(model, event.reason);
    else if (event.event === 'unreadable') throw unreadable(nameOf(plan, event.part), event.reason);
    else {
      const path = join(folder, `${event.part}.parquet`);
      await failpoint('score:scored');
      done.set(event.part, await commitPart(committing, plan.claim.parts[event.part]!, path));
      await rm(path);
      await failpoint('score:written');
    }
  }
}

const nameOf = ({ claim }: z.infer<typeof ScorePlan>, part: number): string =>
  claim.inputs[claim.parts[part]!.input]!.name;

/** Blobs are named by their digest, so the last part of a path names the model and no place. */
function refused(path: string, why: string) {
  const uri = basename(path);
  return permanent('ModelRefused', `model ${uri.slice(0, 12)} is refused: ${why}`, { uri });
}
