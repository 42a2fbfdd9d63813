/** Processes as Linux shows them: who started whom, what runs, what was left. */
import { readdir, readFile } from 'node:fs/promises';
import { until } from './until.ts';

interface Process {
  pid: number;
  parent: number;
  command: string;
}

/** Children, theirs too. */
export async function descendantsOf(pid: number): Promise<Process[]> {
  const all = await processes();
  const children = all.filter(({ parent }) => parent === pid);
  const deeper = await Promise.all(children.map((child) => descendantsOf(child.pid)));
  return [...children, ...deeper.flat()];
}

/** Whose command line names this. */
export async function runningWith(text: string): Promise<Process[]> {
  return (await processes()).filter(({ command }) => command.includes(text));
}

/** Kills it with no chance to clean up, and waits until it and all that it had started are gone. */
export async function murder(pid: number): Promise<void> {
  const doomed = [pid, ...(await descendantsOf(pid)).map((one) => one.pid)];
  process.kill(pid, 'SIGKILL');
  await until(async () => {
    const alive = new Set((await processes()).map((one) => one.pid));
    return doomed.every((one) => !alive.has(one));
  });
}

async function processes(): Promise<Process[]> {
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
  const found = await Promise.all(pids.map(processOf));
  return found.filter((one) => one !== undefined);
}

/** @returns undefined for one that has ended, or is a zombie: dead, and only not yet counted by its parent */
async function processOf(pid: number): Promise<Process | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z') return undefined;
    const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ');
    return { pid, parent: Number(parent), command };
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(String((error as NodeJS.ErrnoException).code))) return undefined;
    throw error;
  }
}
