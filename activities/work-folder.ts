/**
 * A folder that lives as long as one attempt of one stage.
 *
 * The attempts of a killed worker cannot tidy up, and may leave gigabytes: so a folder is named after its process,
 * and a worker that starts sweeps what belongs to none.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { self, sweepFolder } from '../infra/local.ts';

export async function withWorkFolder<T>(
  workDir: string,
  stage: string,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  await mkdir(workDir, { recursive: true });
  const folder = await mkdtemp(join(workDir, `${stage}-${self}`));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Of dead processes of this machine, and what those of others have not touched for a day. */
export async function sweepWorkFolders(workDir: string): Promise<void> {
  await mkdir(workDir, { recursive: true });
  await sweepFolder(workDir);
}
