/**
 * The local Temporal server: the official program, its state in SQLite under the home folder, loopback only.
 *
 * It outlives a killed parent on purpose: the next start finds it by its note in `<home>/temporal.json` and takes
 * it over, so a crash of `esteira up` costs no workflow its server.
 */
import { spawn } from 'node:child_process';
import { mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { z } from 'zod';
import { searchAttributes } from '../contracts/search.ts';
import { hasCode, unlessCode } from './errno.ts';
import { freePort, isAlive } from './local.ts';
import type { Logger } from './log.ts';
import { findTemporalCli } from './temporal-cli.ts';

export { findTemporalCli } from './temporal-cli.ts';
export { registerSearchAttributes } from './search-attributes.ts';

export interface DevServer {
  address: string;
  uiUrl: string;
  /** One line: which server was taken. */
  description: string;
  pid: number;
  /** Asks it to end, insists after 10 s. */
  stop(): Promise<void>;
}

export interface DevServerOptions {
  home: string;
  cacheHome: string;
  /** 0 takes a free one. */
  port?: number;
  uiPort?: number;
  /** Dynamic config over ours: tests lower limits by it. */
  settings?: Record<string, number>;
  log?: Logger;
}

const Note = z.object({ pid: z.int(), address: z.string(), uiUrl: z.string(), origin: z.string() });
type Note = z.infer<typeof Note>;

/**
 * Measured: WAL doubles the throughput, and nothing was lost in 21 kills; the default of 20 polls a second caps
 * every chain of activities at 55 ms a step, raised it is 14 ms.
 */
const tuning = [
  ...['journal_mode=WAL', 'synchronous=NORMAL'].flatMap((pragma) => ['--sqlite-pragma', pragma]),
  ...['transfer', 'timer', 'visibility'].flatMap((queue) => [
    '--dynamic-config-value',
    `history.${queue}ProcessorMaxPollRPS=1000`,
  ]),
];
const attributeTypes = { KEYWORD: 'Keyword', INT: 'Int' } as const;
const attributes = Object.entries(searchAttributes).flatMap(([name, type]) => [
  '--search-attribute',
  `${name}=${attributeTypes[type]}`,
]);

/** Starts it, or takes over the one that an earlier start left running, and waits until it answers. */
export async function startDevServer(options: DevServerOptions): Promise<DevServer> {
  const { home, cacheHome, log } = options;
  await mkdir(home, { recursive: true });
  const running = await survivor(home);
  if (running) return served(home, running, 'already running');

  const { path, origin } = await findTemporalCli(cacheHome);
  const port = options.port || (await freePort(0));
  const uiPort = options.uiPort || (await freePort(0));
  const logged = await stat(logPath(home)).then(({ size }) => size, unlessCode('ENOENT', 0));
  const pid = await launch(path, home, port, uiPort, options.settings ?? {});
  const note = { pid, address: `127.0.0.1:${port}`, uiUrl: `http://127.0.0.1:${uiPort}`, origin };
  await writeFile(join(home, 'temporal.json'), JSON.stringify(note));
  await untilAnswers(note, home, logged);
  log?.info({ pid, address: note.address, origin }, 'local Temporal server started');
  return served(home, note, origin);
}

/** Ends the server that a killed `up` left behind. @returns false when there is none */
export async function stopSurvivor(home: string): Promise<boolean> {
  const running = await survivor(home);
  if (running) await served(home, running, '').stop();
  return running !== undefined;
}

const logPath = (home: string): string => join(home, 'temporal.log');

/** In a group of its own: Ctrl-C reaches the workers first, which still need their server to drain. */
async function launch(
  path: string,
  home: string,
  port: number,
  uiPort: number,
  settings: Record<string, number>,
): Promise<number> {
  const log = await open(logPath(home), 'a');
  try {
    const args = ['--ip', '127.0.0.1', '--port', `${port}`, '--ui-port', `${uiPort}`, '--log-level', 'warn'];
    const own = Object.entries(settings).flatMap(([key, value]) => [
      '--dynamic-config-value',
      `${key}=${value}`,
    ]);
    const database = ['--db-filename', join(home, 'temporal.db')];
    const child = spawn(
      path,
      ['server', 'start-dev', ...database, ...args, ...tuning, ...own, ...attributes],
      { stdio: ['ignore', log.fd, log.fd], detached: true },
    );
    child.unref();
    await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    return child.pid!;
  } finally {
    await log.close();
  }
}

async function survivor(home: string): Promise<Note | undefined> {
  const text = await readFile(join(home, 'temporal.json'), 'utf8').catch(unlessCode('ENOENT'));
  const note = text === undefined ? undefined : Note.safeParse(JSON.parse(text)).data;
  return note && isAlive(note.pid) && (await answers(note.address, 2_000)) ? note : undefined;
}

/**
 * That something answers is not enough: another server may have taken the port first, and then ours, which ends
 * a moment later, must not be mistaken for it. So it has to say itself that it serves.
 *
 * @param logged where our server's own words begin in its log
 */
async function untilAnswers({ pid, address }: Note, home: string, logged: number): Promise<void> {
  const started = Date.now();
  const announced = async () => {
    const text = (await readFile(logPath(home))).subarray(logged).toString();
    // Should a later release word it differently: a server that lost its port has ended within 3 s.
    return /^(Temporal )?Server:/m.test(text) || Date.now() - started > 3_000;
  };
  while (Date.now() - started < 120_000) {
    if (!isAlive(pid)) break;
    if ((await announced()) && (await answers(address, 1_000))) return;
    await sleep(25);
  }
  throw new Error(`the local Temporal server does not answer at ${address}; see ${logPath(home)}`);
}

async function answers(address: string, connectTimeout: number): Promise<boolean> {
  return Connection.connect({ address, connectTimeout }).then(
    (connection) => connection.close().then(() => true),
    () => false,
  );
}

function served(home: string, note: Note, how: string): DevServer {
  const { pid, address, uiUrl } = note;
  return {
    pid,
    address,
    uiUrl,
    description: `local server at ${address} (${how}), state in ${join(home, 'temporal.db')}`,
    async stop() {
      await end(pid);
      await rm(join(home, 'temporal.json'), { force: true });
    },
  };
}

async function end(pid: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  signal(pid, 'SIGTERM');
  while (isAlive(pid)) {
    if (Date.now() > deadline) signal(pid, 'SIGKILL');
    await sleep(20);
  }
}

/** @returns false when there is no such process */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return false;
    throw error;
  }
}
