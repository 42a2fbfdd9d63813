/** Questions about this machine: is that process still the one we knew, which port is free. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { hasCode, unlessCode } from './errno.ts';

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
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(unlessCode('ENOENT', ''));
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
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
