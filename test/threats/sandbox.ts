/** A bench with a stranger's folder beside it: what is refused leaves both, and the store, as they were. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIngest } from '../../activities/ingest/index.ts';
import type { Output } from '../../contracts/lifecycle.ts';
import type { PermanentType } from '../../contracts/failures.ts';
import { rootFailure } from '../../contracts/failures.ts';
import { csv, january, openBench, project } from '../support/stage.ts';
import type { Bench } from '../support/stage.ts';

export const canary = 'canary-7f3a';

export interface Sandbox {
  bench: Bench;
  /** Not ours to read or write: holds `secret.csv`, good rows that name the canary. */
  outside: string;
  /** Writes a file of the project's. */
  write(name: string, content: string | Uint8Array): Promise<string>;
  ingest(change?: Parameters<typeof project>[0]): Promise<Output<'ingest'>>;
  /** Asserts a permanent failure of this type and words, memory within bounds, and nothing done. */
  refuses(change: Parameters<typeof project>[0], type: PermanentType, says: RegExp): Promise<string>;
  close(): Promise<void>;
}

export async function openSandbox(): Promise<Sandbox> {
  const bench = await openBench();
  const outside = await mkdtemp(join(tmpdir(), 'esteira-outside-'));
  await writeFile(join(outside, 'secret.csv'), csv(50).replaceAll('ATL', canary));
  await mkdir(join(outside, 'data'));
  const before = { outside: await contents(outside), here: await readdir('.') };
  const ingest: Sandbox['ingest'] = async (change = {}) => {
    const input = {
      lifecycleId: 'lifecycle/m/1',
      project: await bench.pin(project(change)),
      window: january,
    };
    return bench.run(createIngest(bench.deps).ingest, input);
  };
  return {
    bench,
    outside,
    ingest,
    async write(name, content) {
      await writeFile(join(bench.folder, name), content);
      return join(bench.folder, name);
    },
    async refuses(change, type, says) {
      const stored = await keys(bench, 'datasets/');
      const message = await refusal(() => ingest(change), type, says);
      assert.deepEqual(await contents(outside), before.outside, 'nothing is written outside');
      assert.deepEqual(await readdir('.'), before.here, 'nothing is written where the process runs');
      assert.deepEqual(await keys(bench, 'datasets/'), stored, 'no dataset is stored');
      assert.deepEqual(await readdir(join(bench.folder, 'work')), [], 'no work folder is left');
      return message;
    },
    async close() {
      await bench.close();
      await rm(outside, { recursive: true });
    },
  };
}

/** More than any refusal may take, over what the process had before. */
const memoryAtMost = 400 * 1024 * 1024;

/** @returns the failure's words */
export async function refusal(
  act: () => Promise<unknown>,
  type: PermanentType,
  says: RegExp,
): Promise<string> {
  const before = process.memoryUsage.rss();
  const error = await act().then(
    () => assert.fail(`not refused, though ${says} was expected`),
    (thrown: unknown) => thrown,
  );
  const failure = rootFailure(error);
  assert.equal(failure?.type, type, String(error));
  assert.equal(failure?.nonRetryable, true);
  assert.match(failure.message, says);
  assert(failure.message.length < 5_000, 'one sentence');
  assert(!failure.message.includes(canary), 'what lies outside is told nobody');
  assert(process.memoryUsage.rss() - before < memoryAtMost, 'memory stays within bounds');
  return failure.message;
}

async function contents(folder: string): Promise<Record<string, string>> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const read = files.map(async (path) => [path, await readFile(path, 'latin1')] as const);
  return Object.fromEntries(await Promise.all(read));
}

async function keys({ store }: Bench, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of store.list(prefix)) found.push(key);
  return found.toSorted();
}
