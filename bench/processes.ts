/** Memory and processor time of processes, as Linux counts them. */
import { readdir, readFile } from 'node:fs/promises';

/** Resident megabytes; 0 for one that has ended. */
export async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1_024;
}

/** Seconds of processor time so far, its own threads' together. Linux counts in hundredths. */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  return (Number(user) + Number(system)) / 100;
}

/** Watches some processes and all they start. */
export function watchMemory(roots: () => readonly number[]): { peak: Peak; stop(): Promise<Peak> } {
  const peak: Peak = { megabytes: 0, command: '' };
  let going = true;
  const done = (async () => {
    while (going) {
      for (const pid of await withDescendants(roots())) {
        const megabytes = await residentMb(pid);
        if (megabytes > peak.megabytes) Object.assign(peak, { megabytes, command: await commandOf(pid) });
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  return {
    peak,
    async stop() {
      going = false;
      await done;
      return peak;
    },
  };
}

export interface Peak {
  megabytes: number;
  /** The heaviest process's last argument that names a file. */
  command: string;
}

async function withDescendants(roots: readonly number[]): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const name of await readdir('/proc')) {
    const stat = Number(name) && (await readFile(`/proc/${name}/stat`, 'utf8').catch(() => ''));
    if (stat) parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  }
  const within = (pid: number): boolean => roots.includes(pid) || (pid > 1 && within(parents.get(pid) ?? 0));
  return [...parents.keys()].filter(within);
}

async function commandOf(pid: number): Promise<string> {
  const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
  return (
    args
      .findLast((arg) => /\.(ts|mjs)$/.test(arg))
      ?.split('/')
      .slice(-2)
      .join('/') ??
    args[0] ??
    ''
  );
}
