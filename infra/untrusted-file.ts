/**
 * Files that somebody else's program points at: a trainer says where its model and its checkpoints lie, and may name
 * anything. Only a plain file with one name, in the folder it was given, is taken.
 *
 * What is read is what was looked at: the checks are of the open file, never of its name, which may stand for another
 * file a moment later.
 */
import { constants } from 'node:fs';
import { lstat, open, realpath, stat, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { permanent } from '../contracts/failures.ts';
import { hasCode } from './errno.ts';

export interface Bounds {
  /** The folder that the file must lie in, through no link. */
  within: string;
  maxBytes: number;
}

/** @throws `TrainerFailed` for what is no plain file of its own there; ENOENT as it is, with the path as given */
export async function readUntrusted(path: string, bounds: Bounds): Promise<Buffer> {
  const file = await openUntrusted(path, bounds);
  try {
    const { size } = await file.stat();
    // Not readFile, which goes on for as long as somebody else goes on writing.
    const buffer = Buffer.alloc(size);
    let filled = 0;
    while (filled < size) {
      const { bytesRead } = await file.read(buffer, filled, size - filled, filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  } finally {
    await file.close();
  }
}

/**
 * Copies such a file to one of our own, for whoever takes a path.
 * @param to a path that does not exist yet
 * @throws as `readUntrusted`
 */
export async function copyUntrusted(path: string, to: string, bounds: Bounds): Promise<void> {
  const file = await openUntrusted(path, bounds);
  try {
    const { size } = await file.stat();
    const bytes = size > 0 ? file.createReadStream({ start: 0, end: size - 1, autoClose: false }) : '';
    await writeFile(to, bytes, { flag: 'wx' });
  } finally {
    await file.close();
  }
}

async function openUntrusted(path: string, { within, maxBytes }: Bounds): Promise<FileHandle> {
  if (path.includes('\0')) throw refused(path, 'its name holds a NUL');
  const given = resolve(within, path);
  const parent = await realpath(dirname(given)).catch(asGiven(path));
  await refuseOutside(path, join(parent, basename(given)), within);
  const real = join(parent, basename(given));
  // Before the open: to open a device is to use it.
  const named = await lstat(real).catch(asGiven(path));
  if (named.isSymbolicLink()) throw refused(path, 'it is a symbolic link');
  if (!named.isFile()) throw refused(path, 'it is no plain file');
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = await open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch((error: unknown) => {
    if (hasCode(error, 'ELOOP', 'EMLINK')) throw refused(path, 'it is a symbolic link');
    return asGiven(path)(error);
  });
  try {
    const opened = await file.stat();
    if (!opened.isFile()) throw refused(path, 'it is no plain file');
    if (opened.nlink === 0) throw gone(path);
    if (opened.nlink !== 1) throw refused(path, `it is a hard link: the file has ${opened.nlink} names`);
    if (opened.size > maxBytes)
      throw refused(path, `it has ${opened.size} bytes; at most ${maxBytes} are taken`);
    // With one name, and that name inside now, the file that is open is the one inside.
    const again = await realpath(real).catch(asGiven(path));
    await refuseOutside(path, again, within);
    const now = await stat(again).catch(asGiven(path));
    // Another one by now, as when a trainer puts its next checkpoint in the place of the last.
    if (now.ino !== opened.ino || now.dev !== opened.dev) throw gone(path);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function refuseOutside(given: string, real: string, within: string): Promise<void> {
  const folder = await realpath(within);
  if (!real.startsWith(folder + sep))
    throw refused(given, 'it lies outside the folder that the trainer was given');
}

/** A missing file is told with the path its giver knows. */
function asGiven(path: string): (error: unknown) => never {
  return (error) => {
    if (hasCode(error, 'ENOENT')) throw gone(path);
    if (hasCode(error, 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EACCES'))
      throw refused(path, 'it cannot be opened');
    throw error;
  };
}

/** No fault of the trainer's: whoever asked may ask for its successor. */
function gone(path: string): Error {
  return Object.assign(new Error(`${path} does not exist`), { code: 'ENOENT', path });
}

function refused(path: string, why: string) {
  const shown = JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}…` : path);
  return permanent('TrainerFailed', `the trainer names the file ${shown}: ${why}`, { exitCode: null });
}
