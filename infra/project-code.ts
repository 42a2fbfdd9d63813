/** The files that a project's trainer runs, and what the working tree has changed: both are pinned with the project. */
import { execFile } from 'node:child_process';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { promisify } from 'node:util';
import type { PinnedProject, Project } from '../contracts/project.ts';
import { unlessCode } from './errno.ts';
import { didYouMean } from './nearest.ts';
import { faultAt } from './project-faults.ts';
import type { ProjectText } from './project-faults.ts';
import { unpinned } from './requirements.ts';
import type { Store } from './store/store.ts';

const filesAtMost = 500;
/** Code is small; data has a store of its own. */
const bytesAtMost = 20 * 1024 * 1024;
const diffBytesAtMost = 1024 * 1024;
/** Never meant, always there. */
const passedOver = /(^|\/)(\.git|\.venv|node_modules|__pycache__|\.esteira)(\/|$)/;

/** What of the trainer section names files, each with its place in `esteira.yaml`. */
function named({ trainer }: Project): { path: (string | number)[]; pattern: string }[] {
  if (trainer.backend === 'onnx') return [];
  const files = trainer.files.map((pattern, i) => ({ path: ['trainer', 'files', i], pattern }));
  if (trainer.backend === 'command') return files;
  const { script, requirements } = trainer;
  return [
    ...(script === undefined ? [] : [{ path: ['trainer', 'script'], pattern: script }]),
    ...(requirements === undefined ? [] : [{ path: ['trainer', 'requirements'], pattern: requirements }]),
    ...files,
  ];
}

/** Files that are not there, lie outside, are too many or too large; packages without a version. */
export async function codeFaults(project: Project, root: string, text: ProjectText): Promise<string[]> {
  const faults: string[] = [];
  const all = named(project);
  const there = all.length > 0 ? await filesIn(root) : [];
  for (const { path, pattern } of all) {
    const found = there.filter(matcher(pattern));
    if (found.length === 0) {
      const guess = didYouMean(pattern, there);
      faults.push(faultAt(text, path, `is "${pattern}", and ${root} has no such file${guess}`));
    }
    for (const file of found) faults.push(...(await outside(root, file, text, path)));
  }
  faults.push(...(await lockFaults(project, root)));
  const sizes = await Promise.all(
    chosen(project, there).map(async (file) => (await stat(join(root, file))).size),
  );
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  if (sizes.length > filesAtMost || bytes > bytesAtMost) {
    const most = `${filesAtMost} files of ${bytesAtMost} bytes in all`;
    faults.push(
      faultAt(text, ['trainer', 'files'], `names ${sizes.length} files of ${bytes} bytes; at most ${most}`),
    );
  }
  return faults;
}

/** A link that leads out would send a stranger's file to the store. */
async function outside(root: string, file: string, text: ProjectText, path: (string | number)[]) {
  const real = await realpath(join(root, file));
  if (real.startsWith((await realpath(root)) + sep)) return [];
  return [faultAt(text, path, `is "${file}", a file outside the project's folder`)];
}

async function lockFaults({ trainer }: Project, root: string): Promise<string[]> {
  if (trainer.backend !== 'python' || trainer.requirements === undefined) return [];
  const lock = await readFile(join(root, trainer.requirements), 'utf8').catch(unlessCode('ENOENT', ''));
  return unpinned(lock).map(({ line, sentence }) => `${trainer.requirements}:${line}: ${sentence}`);
}

/** Puts them into the store, as they are now. */
export async function pinFiles(
  project: Project,
  root: string,
  store: Store,
): Promise<NonNullable<PinnedProject['files']>> {
  if (named(project).length === 0) return [];
  const files = chosen(project, await filesIn(root));
  return Promise.all(
    files.map(async (path) => ({ path, artifact: await store.putFile(join(root, path), 'text/plain') })),
  );
}

/** What `git diff` says of the project's folder, bounded; undefined for a clean tree, and where there is no git. */
export async function diffOf(root: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)('git', ['diff', '--no-color', 'HEAD', '--', '.'], {
      cwd: root,
      maxBuffer: 64 * diffBytesAtMost,
    });
    return stdout === '' ? undefined : stdout.slice(0, diffBytesAtMost);
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}

function chosen(project: Project, there: readonly string[]): string[] {
  const matches = named(project).map(({ pattern }) => matcher(pattern));
  return there.filter((file) => matches.some((match) => match(file)));
}

async function filesIn(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(root.length + 1)
        .replaceAll(sep, '/'),
    )
    .filter((path) => !passedOver.test(path))
    .toSorted();
}

/** `*` is anything but a slash, `**` any folders. */
function matcher(pattern: string): (path: string) => boolean {
  const source = pattern
    .replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('**/', '\u0000')
    .replaceAll('**', '.*')
    .replaceAll('*', '[^/]*')
    .replaceAll('\u0000', '(.*/)?');
  const expression = new RegExp(`^${source}$`);
  return (path) => expression.test(path);
}
