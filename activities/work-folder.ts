/**
 * A folder that lives as long as one attempt of one stage.
 *
 * The attempts of a killed worker cannot tidy up, and may leave gigabytes: so a folder is named after its process,
 * and a worker that starts sweeps what belongs to none.
 */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '../infra/local.ts';

/** Processes of other hosts cannot be seen, so their folders are left alone. */
const here = hostname().replaceAll(/[^A-Za-z0-9]/g, '-');
const ours = new RegExp(`^[a-z]+-${here}-(\\d+)-[^-]+$`);

export async function withWorkFolder<T>(
  workDir: string,
  stage: string,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  await mkdir(workDir, { recursive: true });
  const folder = await mkdtemp(join(workDir, `${stage}-${here}-${process.pid}-`));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** To be called before the first attempt: what bears this process's own number is of a predecessor. */
export async function sweepWorkFolders(workDir: string): Promise<void> {
  await mkdir(workDir, { recursive: true });
  for (const name of await readdir(workDir)) {
    const pid = Number(ours.exec(name)?.[1]);
    if (!pid || (pid !== process.pid && isAlive(pid))) continue;
    await rm(join(workDir, name), { recursive: true, force: true });
  }
}
