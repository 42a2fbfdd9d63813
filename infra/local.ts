/** Questions about this machine: is that process still the one we knew, whose is that file, which port is free. */
import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { hasCode, unlessCode } from './errno.ts';

/** Nothing of ours is written for so long without a touch. */
const dayMs = 86_400_000;

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return hasCode(error, 'EPERM'); // alive, but another user's
  }
}

/**
 * Tells a process from a later one that got the same id, as happens in each new container.
 *
 * @returns when it started, in ticks since boot; empty where the system has no /proc
 * @see proc_pid_stat(5), field 22; the second may hold spaces and parentheses
 */
export async function birthOf(pid: number): Promise<string> {
  return birthIn(await readFile(`/proc/${pid}/stat`, 'utf8').catch(unlessCode('ENOENT', '')));
}

function birthIn(stat: string): string {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/** Containers of one pod share a host name but not their processes, so the name of those belongs to it. */
const here = `${hostname()}-${orEmpty(() => readlinkSync('/proc/self/ns/pid'))}`.replaceAll(
  /[^A-Za-z0-9]+/g,
  '-',
);

/** This process, for others to ask later whether it still lives: host, number, birth. */
export const self = `~${here}~${process.pid}~${birthIn(orEmpty(() => readFileSync('/proc/self/stat', 'utf8')))}~`;

/** A name for a temporary file or folder, that tells whose it is. It begins with `~`. */
export function ownName(): string {
  return `${self}${randomUUID()}`;
}

/** @param name anything that holds what `self` was to some process; a stranger is of another machine, or of nobody */
export async function fateOf(name: string): Promise<'alive' | 'dead' | 'stranger'> {
  const [, host, pid, birth] = /~([A-Za-z0-9-]+)~(\d+)~(\d*)~/.exec(name) ?? [];
  if (host !== here) return 'stranger';
  return isAlive(Number(pid)) && (await birthOf(Number(pid))) === birth ? 'alive' : 'dead';
}

/**
 * Deletes what bears an `ownName` in a folder, if its process is dead, or is of another machine and has let it
 * lie for a day. Cost: one reading of the folder, and of a process's file for each such name.
 */
export async function sweepFolder(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(unlessCode('ENOENT', []))) {
    if (!name.includes('~')) continue;
    const path = join(folder, name);
    const fate = await fateOf(name);
    const debris = fate === 'dead' || (fate === 'stranger' && Date.now() - (await lastTouch(path)) > dayMs);
    if (debris) await rm(path, { recursive: true, force: true });
  }
}

/** Of a file, or of the youngest thing in a folder; now, when it has just gone. */
async function lastTouch(path: string): Promise<number> {
  const found = await stat(path).catch(unlessCode('ENOENT'));
  if (!found?.isDirectory()) return found?.mtimeMs ?? Date.now();
  const inside = await readdir(path, { recursive: true }).catch(unlessCode('ENOENT', []));
  const touched = await Promise.all(
    inside.map((name) => stat(join(path, name)).then(({ mtimeMs }) => mtimeMs, unlessCode('ENOENT', 0))),
  );
  return touched.reduce((last, one) => Math.max(last, one), found.mtimeMs);
}

function orEmpty(read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'EACCES', 'EINVAL')) return '';
    throw error;
  }
}

/** The wished port if nobody has it, else any free one. */
export async function freePort(wished: number): Promise<number> {
  return (await listens(wished)) ?? (await listens(0))!;
}

function listens(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const taken = (server.address() as AddressInfo).port;
      server.close(() => resolve(taken));
    });
  });
}
