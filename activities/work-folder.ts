/** A folder that lives as long as one attempt of one stage. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';

export async function withWorkFolder<T>(
  workDir: string,
  stage: string,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  await mkdir(workDir, { recursive: true });
  const folder = await mkdtemp(join(workDir, `${stage}-`));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
