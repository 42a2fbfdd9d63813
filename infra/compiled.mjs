/**
 * Our programs as JavaScript, compiled when their sources are new: a process starts three times as fast as through a
 * loader that compiles while it loads, and is 35 MB smaller, for the loader has a thread of its own.
 *
 * Plain JavaScript, for this runs before there is anything that reads TypeScript.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Where the programs and all that they import are. */
export const folders = ['activities', 'client', 'contracts', 'infra', 'serving', 'workers', 'workflows'];

/** @type {string | undefined | null} */
let output;

/**
 * @param {URL} url of a program's source
 * @returns {string | undefined} the path of its JavaScript; undefined where it is none of ours, or nothing can be written
 */
export function compiled(url) {
  output ??= folder();
  const path = join(output, relative(root, fileURLToPath(url)).replace(/\.ts$/, '.mjs'));
  return existsSync(path) ? path : undefined;
}

/** Beside the packages, so that imports of them are found; compiled by a process of its own where it is not there. */
function folder() {
  const path = join(root, 'node_modules', '.cache', 'esteira', key());
  if (!existsSync(path)) {
    const compile = fileURLToPath(new URL('./compile.mjs', import.meta.url));
    spawnSync(process.execPath, [compile, path], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  return path;
}

/**
 * Of what they are made from, by its bytes: times are rounded by images, and equal after a checkout. Of the place, too:
 * what is compiled names its source by the whole path.
 */
function key() {
  const hash = createHash('sha256').update(root);
  for (const under of [...folders, 'package-lock.json'])
    for (const path of sources(join(root, under)))
      hash.update(`${path}\0`).update(readFileSync(path)).update('\0');
  return hash.digest('hex').slice(0, 16);
}

/** @param {string} path of a file, or of a folder. @returns {string[]} files, in order */
export function sources(path) {
  if (path.endsWith('.json')) return [path];
  const names = readdirSync(path, { recursive: true }).map(String).toSorted();
  return names.filter((name) => /\.(ts|mjs)$/.test(name)).map((name) => join(path, name));
}
