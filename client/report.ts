/** Reports live in the store under their digest; a browser wants a file that ends in .html. */
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Artifact } from '../contracts/artifact.ts';
import type { Store } from '../infra/store/store.ts';

/** @returns where the copy is. @param name such as `flights-3` */
export async function saveReport(
  store: Store,
  home: string,
  report: Artifact,
  name: string,
): Promise<string> {
  const folder = join(home, 'reports');
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${name.replaceAll('/', '-')}.html`);
  await copyFile(await store.localPath(report), path);
  return path;
}
