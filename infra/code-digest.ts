/** The digest of our own code: results are reused only when they were made by the same. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sha256 } from './digest.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const known = new Map<string, string>();

/** @param places files or folders of the repository. Read once a process: a running one does not change its code. */
export function codeDigest(...places: string[]): string {
  const key = places.join(' ');
  let digest = known.get(key);
  if (digest === undefined) {
    const files = places.flatMap((place) => filesOf(join(root, place)));
    digest = sha256(files.map((path) => `${relative(root, path)} ${sha256(readFileSync(path))}\n`).join(''));
    known.set(key, digest);
  }
  return digest;
}

/** Node and all packages, by the lock. */
export function nodeDigest(): string {
  return sha256(`${process.version} ${process.platform}-${process.arch} ${codeDigest('package-lock.json')}`);
}

function filesOf(path: string): string[] {
  if (statSync(path).isFile()) return [path];
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .map((name) => join(path, name))
    .filter((name) => /\.(ts|mjs|py|lock)$/.test(name))
    .toSorted();
}
