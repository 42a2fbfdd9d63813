/** What lies around the store: logs, journals, work folders, locks, processes, ports. */
import { createReadStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { columnsOf } from '../../../serving/block-reader.ts';
import type { Predictions } from '../../../serving/journal-sql.ts';
import { hasCode, unlessCode } from '../../../infra/errno.ts';
import type { Evidence, Label, Left, Prediction } from './evidence.ts';
import type { Place } from './gather.ts';
import { seer } from './gather-store.ts';

type Around = Pick<Evidence, 'predictions' | 'labels' | 'lateLines' | 'canariesSeen' | 'left'>;

const lateLinesAtMost = 1_000;

export async function lookAround(place: Place): Promise<Around> {
  const { home, storeFolder, cacheDir, stopped } = place;
  const around: Around = { predictions: [], labels: [], lateLines: [], canariesSeen: [], left: noneLeft() };
  const { left } = around;
  const logs = [
    ...(await filesUnder(join(home, 'logs'))),
    ...(await readdir(home)).map((one) => join(home, one)),
  ];
  for (const path of logs.filter((one) => one.endsWith('.log'))) await readLog(path, place.canaries, around);
  for (const path of await filesUnder(join(home, 'serving'))) {
    const isJournal = /\/journal-[^/]*\.(jsonl|rows)$/.test(path);
    left[isJournal ? 'journals' : 'serving'].push(path);
    if (isJournal) await readJournal(path, around);
  }
  left.gateway = await filesUnder(join(home, 'gateway'));
  left.work = await namesIn(join(home, 'work'));
  if (storeFolder) {
    left.storeTemporary = await namesIn(join(storeFolder, '.tmp'));
    const locks = await filesUnder(join(storeFolder, '.locks'));
    left.lockWaiters = locks.filter((path) => /\/\.[^/]*$/.test(path));
  }
  if (cacheDir) left.downloads = await namesIn(join(cacheDir, 'store', '.tmp'));
  if (stopped) left.processes = await processesOf(home);
  if (stopped) left.ports = await listening(place.ports ?? []);
  left.uploads = place.uploads ?? [];
  return around;
}

function noneLeft(): Left {
  return {
    ...{
      work: [],
      storeTemporary: [],
      lockWaiters: [],
      downloads: [],
      serving: [],
      gateway: [],
      journals: [],
    },
    ...{ processes: [], ports: [], uploads: [] },
  };
}

async function readLog(path: string, canaries: string[], around: Around): Promise<void> {
  const see = seer(canaries, path, around.canariesSeen);
  for await (const line of createInterface({ input: createReadStream(path) })) {
    see(line);
    if (/\blate\b/.test(line) && around.lateLines.length < lateLinesAtMost) around.lateLines.push(line);
  }
}

/** A line that a kill cut short was never answered for. */
async function readJournal(path: string, around: Around): Promise<void> {
  if (path.endsWith('.rows')) return readBlocks(path, around);
  const { predictions, labels } = around;
  let header: { kind?: string; model?: string } | undefined;
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const row = jsonOf(line);
    if (row === undefined) continue;
    if (header === undefined) header = row;
    else if (header.kind === 'labels')
      labels.push({ model: header.model ?? '', id: String(row['id']), from: path } satisfies Label);
    else predictions.push({ ...(row as unknown as Prediction), from: path });
  }
}

async function readBlocks(path: string, { predictions }: Around): Promise<void> {
  const bytes = await readFile(path);
  const end = bytes.indexOf(10);
  const header = jsonOf(bytes.subarray(0, end).toString()) as Predictions | undefined;
  if (header === undefined) return;
  const { model, version, digest } = header;
  const blocks = bytes.subarray(end + 1);
  for await (const [ids, times, , routes, epochs] of columnsOf(blocks, [
    ...header.inputs,
    ...header.outputs,
  ])) {
    ids!.forEach((id, i) => {
      const time = new Date(Number(times![i])).toISOString();
      const row = { id, time, model, version, digest, route: routes![i], epoch: epochs![i] };
      predictions.push({ ...(row as unknown as Prediction), from: path });
    });
  }
}

function jsonOf(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(unlessCode('ENOENT', []));

async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(
    unlessCode('ENOENT', []),
  );
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** Whose command line or environment names the home, but for us and who started us; Linux only. */
async function processesOf(home: string): Promise<Left['processes']> {
  const pids = (await readdir('/proc').catch(unlessCode('ENOENT', []))).map(Number).filter(Number.isInteger);
  const found: Left['processes'] = [];
  const ours = await ancestors();
  for (const pid of pids.filter((one) => !ours.has(one))) {
    const command = await procText(pid, 'cmdline');
    const environment = await procText(pid, 'environ');
    if (command.includes(home) || environment.includes(home))
      found.push({ pid, command: command.replaceAll('\0', ' ').slice(0, 300) });
  }
  return found;
}

async function ancestors(): Promise<Set<number>> {
  const found = new Set<number>();
  for (let pid = process.pid; pid > 0 && !found.has(pid);) {
    found.add(pid);
    const stat = await procText(pid, 'stat');
    pid = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0);
  }
  return found;
}

async function procText(pid: number, file: string): Promise<string> {
  return readFile(`/proc/${pid}/${file}`, 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return ''; // it has ended, or is not ours
    throw error;
  });
}

async function listening(ports: number[]): Promise<number[]> {
  const answers = await Promise.all(
    ports.map(
      (port) =>
        new Promise<boolean>((resolve) => {
          const socket = connect(port, '127.0.0.1', () => resolve(true));
          socket.once('error', () => resolve(false)).once('connect', () => socket.destroy());
        }),
    ),
  );
  return ports.filter((_, at) => answers[at]);
}
