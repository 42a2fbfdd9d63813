/** Packages from PyPI for tests, into the cache, once. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readConfig } from '../../infra/config.ts';

/**
 * Beside its place, then renamed: two tests may install it at once, and neither sees half of it.
 *
 * @param name of the environment, with the versions it has
 * @returns an interpreter, an absolute path; or a sentence that says why there is none
 */
export async function pythonWith(name: string, packages: readonly string[]): Promise<string> {
  const cache = readConfig().cacheHome;
  const folder = join(cache, name);
  const python = join(folder, 'bin', 'python3');
  if (existsSync(python)) return python;
  await mkdir(cache, { recursive: true });
  const building = await mkdtemp(join(cache, `.${name}-`));
  const steps = [
    ['python3', '-m', 'venv', building],
    [join(building, 'bin', 'python3'), '-m', 'pip', 'install', '--quiet', ...packages],
  ] as [string, ...string[]][];
  for (const [command, ...args] of steps) {
    const { error, status, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 1_200_000 });
    if (status === 0) continue;
    await rm(building, { recursive: true, force: true });
    return error ? `${name} needs Python: ${error.message}` : `${name}: ${stderr.trim().split('\n').at(-1)}`;
  }
  await rename(building, folder).catch(() => undefined); // another test was first, and its folder is as good
  await rm(building, { recursive: true, force: true });
  return python;
}
