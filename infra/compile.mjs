/**
 * `compile.mjs <folder>`: all programs of ours as JavaScript into that folder, at once or not at all. What they share is
 * in pieces of its own; packages stay where they are.
 *
 * A module that asks where it is gets the place of its source: the files beside it are there, and so are the programs that
 * it starts.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { folders, sources } from './compiled.mjs';

const keptMs = 7 * 86_400_000;
const root = fileURLToPath(new URL('..', import.meta.url));
const [output] = process.argv.slice(2);
if (!output) throw new Error('usage: compile.mjs <folder>');

/** The command, and whatever a module starts: `new URL('./scorer.ts', import.meta.url)`. */
function programs() {
  const found = new Set([join(root, 'client', 'cli.ts')]);
  for (const path of folders.flatMap((folder) => sources(join(root, folder)))) {
    if (!path.endsWith('.ts')) continue;
    const starts = readFileSync(path, 'utf8').matchAll(/new URL\('(\.[^']+\.ts)', import\.meta\.url\)/g);
    for (const [, started] of starts) found.add(join(dirname(path), started));
  }
  return [...found].filter((path) => existsSync(path));
}

const ownPlace = {
  name: 'own-place',
  setup({ onLoad, onResolve }) {
    // What is JavaScript runs as it stands, once a process. And what silences a package must come before it, while
    // packages come before all that is in one file with them.
    onResolve({ filter: /^\..*\.mjs$/ }, ({ path, resolveDir }) => ({
      path: pathToFileURL(join(resolveDir, path)).href,
      external: true,
    }));
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      const url = JSON.stringify(pathToFileURL(path).href);
      return { contents: text.replaceAll('import.meta.url', url), loader: 'ts' };
    });
  },
};

const staged = `${output}.${randomUUID()}`;
try {
  const { outputFiles } = await build({
    ...{ entryPoints: programs(), outbase: root, outdir: staged, outExtension: { '.js': '.mjs' } },
    ...{ bundle: true, splitting: true, packages: 'external', plugins: [ownPlace], logLevel: 'warning' },
    ...{ format: 'esm', platform: 'node', target: 'node20', write: false },
  });
  for (const { path, contents } of outputFiles) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, contents);
  }
  await rename(staged, output);
} catch (error) {
  await rm(staged, { recursive: true, force: true });
  // Another process was quicker; or this one may not write here, and sources are run as they stand.
  if (!existsSync(output) && !['EACCES', 'EROFS', 'EPERM'].includes(error.code)) throw error;
}
await sweep(dirname(output));

/** What nobody has compiled for a week; processes that run load some of theirs late. */
async function sweep(folder) {
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const path = join(folder, name);
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > keptMs) await rm(path, { recursive: true, force: true });
  }
}
