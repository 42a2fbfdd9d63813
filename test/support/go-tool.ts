/** Programs that tests use and Go builds, kept in the cache. Where there is no Go, what needs one is skipped, and says so. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readConfig } from '../../infra/config.ts';

/** @param source such as `oras.land/oras/cmd/oras`. @returns the program's path, or why there is none */
export async function goTool(source: string, version: string): Promise<string> {
  const name = source.split('/').at(-1)!;
  const folder = join(readConfig().cacheHome, 'bin');
  const path = join(folder, `${name}-${version}`);
  if (existsSync(path)) return path;
  await mkdir(folder, { recursive: true });
  const building = await mkdtemp(join(folder, '.build-'));
  const { error, status, stderr } = spawnSync('go', ['install', `${source}@${version}`], {
    env: { ...process.env, GOBIN: building },
    encoding: 'utf8',
    timeout: 300_000,
  });
  if (status === 0) await rename(join(building, name), path);
  await rm(building, { recursive: true, force: true });
  if (error) return `${name} needs Go: ${error.message}`;
  return status === 0 ? path : `${name} does not build: ${stderr.trim().split('\n').at(-1)}`;
}
