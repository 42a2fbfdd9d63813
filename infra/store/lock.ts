/**
 * A lock between processes of one machine that no `kill -9` leaves behind. Node has no `flock`.
 *
 * Holders are numbered: the file with the highest number in the folder names the one that holds the lock, or
 * says `free`. The next holder is whoever links number + 1 first, which it may do when the lock is free or its
 * holder is dead. A number is never used twice, because the highest file is never deleted; so two waiters that
 * find the same dead holder cannot both follow it, nor delete each other's lock.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { unlessCode } from '../errno.ts';
import { failpoint } from '../failpoint.ts';
import { birthOf, isAlive } from '../local.ts';

/** A critical section takes milliseconds; waiting this long means a stopped process or a dead disk. */
const patienceMs = 10_000;
const strangerMs = 5_000;

/** Runs `action` alone among all processes that name the same folder. @throws Error after 10 s of waiting */
export async function withLock<T>(folder: string, action: () => Promise<T>): Promise<T> {
  await mkdir(folder, { recursive: true });
  const mine = join(folder, `.${randomUUID()}`);
  await writeFile(mine, JSON.stringify(await self()));
  try {
    await failpoint('store:queued');
    const held = await acquire(folder, mine);
    try {
      return await action();
    } finally {
      await writeFile(mine, 'free');
      await rename(mine, held);
    }
  } finally {
    await unlink(mine).catch(unlessCode('ENOENT'));
  }
}

async function acquire(folder: string, mine: string): Promise<string> {
  const deadline = Date.now() + patienceMs;
  while (Date.now() < deadline) {
    const top = await highest(folder);
    if (top === 0 || (await isFree(join(folder, String(top))))) {
      const next = join(folder, String(top + 1));
      if ((await linked(mine, next)) && (await leads(folder, top + 1, next))) {
        await failpoint('store:locked');
        // The link stays readable as ours until it is released by a rename over it.
        await unlink(mine);
        return next;
      }
    } else {
      await sleep(1 + Math.random() * 4);
    }
  }
  throw new Error(`the lock ${folder} is held for more than ${patienceMs} ms`);
}

/** A late waiter may link a number that came, went and was swept: then it is not the highest, and void. */
async function leads(folder: string, number: number, path: string): Promise<boolean> {
  if ((await highest(folder)) > number) {
    await unlink(path).catch(unlessCode('ENOENT'));
    return false;
  }
  for (const name of await readdir(folder)) {
    if (Number(name) < number) await unlink(join(folder, name)).catch(unlessCode('ENOENT'));
  }
  return true;
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
  const holder = JSON.parse(content) as Holder;
  if (holder.host === hostname()) return !(await lives(holder));
  // Another host's processes cannot be seen (a container that restarts has a new name): its age must do.
  const age = await stat(path).then(({ mtimeMs }) => Date.now() - mtimeMs, unlessCode('ENOENT', 0));
  return age > strangerMs;
}

interface Holder {
  host: string;
  pid: number;
  /** Tells a process from a later one with the same pid; absent where the system does not say. */
  startedAt: string | null;
}

async function self(): Promise<Holder> {
  return { host: hostname(), pid: process.pid, startedAt: await startOf(process.pid) };
}

async function lives({ pid, startedAt }: Holder): Promise<boolean> {
  return isAlive(pid) && (startedAt === null || (await startOf(pid)) === startedAt);
}

async function startOf(pid: number): Promise<string | null> {
  return (await birthOf(pid)) || null;
}
