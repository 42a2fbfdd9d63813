/** Secrets that projects name: what the worker was started with, or what a file holds at the moment. */
import { readFile } from 'node:fs/promises';
import type { TakenSecrets } from './config.ts';

/**
 * @param name lower case, as a project writes it. @returns undefined where nobody has set it
 * @throws Error naming the file that cannot be read
 */
export async function secretNamed(secrets: TakenSecrets, name: string): Promise<string | undefined> {
  const file = secrets[`${name.toUpperCase()}_FILE`];
  if (file === undefined) return secrets[name.toUpperCase()];
  // Each time anew: a secret that is replaced counts from then on.
  return (await readFile(file, 'utf8')).trim();
}
