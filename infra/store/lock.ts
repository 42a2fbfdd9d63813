/**
 * A lock between processes of one machine that no `kill -9` leaves behind. Node has no `flock`.
 *
 * Holders are numbered: the file with the highest number in the folder names the one that holds the lock, or
 * says `free`. The next holder is whoever links number + 1 first, which it may do when the lock is free or its
 * holder is dead. A number is never used twice, because the highest file is never deleted; so two waiters that
 * find the same dead holder cannot both follow it, nor delete each other's lock.
 *
 * Whatever fails on the way, the lock is given back: on a full disk too, for the file that says so is written first.
 */
import { link, mkdir, readdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sha256 } from '../digest.ts';
import { unlessCode } from '../errno.ts';
import { failpoint } from '../failpoint.ts';
import { fateOf, ownName, self } from '../local.ts';
import { discard } from './verify.ts';

/** A critical section takes milliseconds; waiting this long means a stopped process or a dead disk. */
const patienceMs = 10_000;
const strangerMs = 5_000;

/**
 * Runs `action` alone among all that ask for this key of the store. A folder a key stays, for locks that keys
 * shared would let one stopped process hold up strangers.
 *
 * @throws Error after 10 s of waiting
 */
export async function withLock<T>(root: string, key: string, action: () => Promise<T>): Promise<T> {
  const folder = join(root, '.locks', sha256(key).slice(0, 32));
  await mkdir(folder, { recursive: true });
  // Among the temporary files, so that there is one place to sweep.
  const waiter: Waiter = { mine: join(root, '.tmp', ownName()), free: join(root, '.tmp', ownName()) };
  try {
    await writeFile(waiter.free, 'free');
    await writeFile(waiter.mine, self);
    await failpoint('store:queued');
    const held = await acquire(folder, waiter);
    try {
      return await action();
    } finally {
      await release(waiter, held);
    }
  } finally {
    await discard(waiter.mine);
    await discard(waiter.free);
  }
}

/** Two files of one who waits: what it links to hold the lock, and what it puts over that to give it back. */
interface Waiter {
  mine: string;
  free: string;
}

async function acquire(folder: string, waiter: Waiter): Promise<string> {
  const deadline = Date.now() + patienceMs;
  while (Date.now() < deadline) {
    const top = await highest(folder);
    if (top === 0 || (await isFree(join(folder, String(top))))) {
      const next = join(folder, String(top + 1));
      if ((await linked(waiter.mine, next)) && (await leads(folder, top + 1, waiter, next))) return next;
    } else {
      await sleep(1 + Math.random() * 4);
    }
  }
  throw new Error(`the lock ${folder} is held for more than ${patienceMs} ms`);
}

/** A late waiter may link a number that came, went and was swept: then it is not the highest, and void. */
async function leads(folder: string, number: number, waiter: Waiter, path: string): Promise<boolean> {
  try {
    if ((await highest(folder)) > number) {
      await unlink(path).catch(unlessCode('ENOENT'));
      return false;
    }
    for (const name of await readdir(folder)) {
      if (Number(name) < number) await unlink(join(folder, name)).catch(unlessCode('ENOENT'));
    }
    await failpoint('store:locked');
    return true;
  } catch (error) {
    await release(waiter, path); // nobody else would, while this process lives
    throw error;
  }
}

/** In place when it cannot be renamed: who reads it half written asks again. */
async function release({ free }: Waiter, held: string): Promise<void> {
  await rename(free, held).catch(() => writeFile(held, 'free'));
}

async function highest(folder: string): Promise<number> {
  const numbers = (await readdir(folder)).map(Number).filter(Number.isInteger);
  return Math.max(0, ...numbers);
}

async function linked(from: string, to: string): Promise<boolean> {
  return link(from, to).then(() => true, unlessCode('EEXIST', false));
}

async function isFree(path: string): Promise<boolean> {
  const content = await readFile(path, 'utf8').catch(unlessCode('ENOENT', undefined));
  if (content === undefined) return false; // swept: there is a higher one
  if (content === 'free') return true;
  const holder = await fateOf(content);
  if (holder !== 'stranger') return holder === 'dead';
  // Another host's processes cannot be seen (a container that restarts has a new name): its age must do.
  // Of the link, which changes an inode's ctime; the file is as old as the waiting was long.
  const age = await stat(path).then(({ ctimeMs }) => Date.now() - ctimeMs, unlessCode('ENOENT', 0));
  return age > strangerMs;
}
