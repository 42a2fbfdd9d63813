/**
 * Python environments, each built once for its lock and kept in the cache: `python/<digest>/`.
 *
 * Builders need no lock between them: each builds in a folder of its own, and the first to be done says so in
 * `ready.json`, by a link that only one can make. Who finds a living builder at work waits for it; what dead ones left
 * is deleted. An environment is used by many runs at once, and never changed.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { EnvironmentInfo } from '../contracts/experiment.ts';
import { permanent } from '../contracts/failures.ts';
import { childEnvironment } from './config.ts';
import { sha256 } from './digest.ts';
import { hasCode, unlessCode } from './errno.ts';
import { failpoint } from './failpoint.ts';
import { fateOf, ownName } from './local.ts';
import { unpinned } from './requirements.ts';
import { canonicalJson } from './store/json.ts';

export interface EnvironmentOrder {
  /** The lock's text, and its name for messages. */
  lock: string;
  lockName: string;
  /** The interpreter it is made with. */
  python: string;
  systemPackages: boolean;
}

export interface PythonEnvironment {
  /** The environment's own interpreter. */
  python: string;
  info: EnvironmentInfo;
}

const Ready = z.object({ folder: z.string(), info: EnvironmentInfo });

/** Told what is being done, line by line. */
export type Say = (line: string) => void;

/** @throws `EnvironmentFailed` for what no retry mends; Error when a registry does not answer; the abort's reason */
export async function pythonEnvironment(
  cacheDir: string,
  order: EnvironmentOrder,
  say: Say,
  signal: AbortSignal,
): Promise<PythonEnvironment> {
  const [fault] = unpinned(order.lock);
  if (fault) throw broken(order, `${order.lockName}:${fault.line}: ${fault.sentence}`);
  const version = await versionOf(order);
  // Nothing to add to the machine's own packages: its interpreter is the environment.
  if (order.systemPackages && order.lock.trim() === '') {
    return { python: order.python, info: await describe(order.python) };
  }
  const digest = sha256(canonicalJson({ ...order, lockName: '', version }));
  const root = join(cacheDir, 'python', digest.slice(0, 32));
  await mkdir(root, { recursive: true });
  const found = (await ready(root)) ?? (await anothers(root, say, signal));
  if (found) return found;
  return build(root, order, say, signal);
}

async function ready(root: string): Promise<PythonEnvironment | undefined> {
  const text = await readFile(join(root, 'ready.json'), 'utf8').catch(unlessCode('ENOENT'));
  if (text === undefined) return undefined;
  const { folder, info } = Ready.parse(JSON.parse(text));
  return { python: interpreterIn(join(root, folder)), info };
}

/** Waits while somebody else builds. */
async function anothers(root: string, say: Say, signal: AbortSignal): Promise<PythonEnvironment | undefined> {
  for (let told = false; await builderIn(root); await sleep(500, undefined, { signal })) {
    if (!told) say('another training builds this environment; waiting for it');
    told = true;
  }
  return ready(root);
}

async function builderIn(root: string): Promise<boolean> {
  const names = await readdir(root);
  if (names.includes('ready.json')) return false;
  for (const name of names) if (name.startsWith('~') && (await fateOf(name)) === 'alive') return true;
  return false;
}

async function build(
  root: string,
  order: EnvironmentOrder,
  say: Say,
  signal: AbortSignal,
): Promise<PythonEnvironment> {
  await sweep(root);
  const name = `env-${randomUUID()}`;
  const folder = join(root, name);
  const mark = join(root, ownName());
  await writeFile(mark, name);
  try {
    await install(folder, order, say, signal);
    await failpoint('train:environment');
    const info = await describe(interpreterIn(folder));
    const note = join(folder, 'ready.json');
    await writeFile(note, JSON.stringify({ folder: name, info }));
    if (await published(note, join(root, 'ready.json'))) return { python: interpreterIn(folder), info };
    await rm(folder, { recursive: true });
    return (await ready(root))!;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  } finally {
    await rm(mark, { force: true });
  }
}

async function published(note: string, path: string): Promise<boolean> {
  try {
    await link(note, path);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/** What builders that died left half done; the one that was said ready stays, whoever made it. */
async function sweep(root: string): Promise<void> {
  const kept = (await ready(root))?.python;
  for (const mark of (await readdir(root)).filter((name) => name.startsWith('~'))) {
    if ((await fateOf(mark)) !== 'dead') continue;
    const folder = await readFile(join(root, mark), 'utf8').catch(unlessCode('ENOENT', ''));
    const ours = /^env-[0-9a-f-]+$/.test(folder) && interpreterIn(join(root, folder)) !== kept;
    if (ours) await rm(join(root, folder), { recursive: true, force: true });
    await rm(join(root, mark), { force: true });
  }
}

/** By uv where it is installed, since it is ten times as fast; by pip, which every Python has, otherwise. */
async function install(folder: string, order: EnvironmentOrder, say: Say, signal: AbortSignal) {
  const lock = `${folder}.txt`;
  await writeFile(lock, order.lock);
  const see = order.systemPackages ? ['--system-site-packages'] : [];
  const own = interpreterIn(folder);
  const withUv = await has('uv');
  const steps = withUv
    ? [
        ['uv', 'venv', '--quiet', ...see, '--python', order.python, folder],
        ['uv', 'pip', 'install', '--python', own, '--requirements', lock],
      ]
    : [
        [order.python, '-m', 'venv', ...see, folder],
        [
          own,
          '-m',
          'pip',
          'install',
          '--no-input',
          '--disable-pip-version-check',
          '--progress-bar',
          'off',
          '-r',
          lock,
        ],
      ];
  try {
    for (const step of steps) await run(step, order, say, signal);
  } finally {
    await rm(lock, { force: true });
  }
}

/** What an installer says of packages that will not be there at the next try either. */
const hopeless =
  /no matching distribution|could not find a version|no solution found|resolutionimpossible|conflicting dependencies|invalid requirement|no version of|ensurepip is not available|hashes? (do|did) not match/i;

async function run(words: string[], order: EnvironmentOrder, say: Say, signal: AbortSignal): Promise<void> {
  const lines: string[] = [];
  const onLine = (line: string) => {
    if (line.trim() === '') return;
    lines.push(line);
    if (lines.length > 50) lines.shift();
    say(line);
  };
  const code = await spawned(words, onLine, signal);
  signal.throwIfAborted();
  if (code === 0) return;
  const text = lines.join('\n');
  const sentence = `the environment of ${order.lockName} cannot be built: ${words.slice(0, 3).join(' ')} left with ${code}; its last lines:\n${text.slice(-3_000)}`;
  if (code === 'ENOENT' || hopeless.test(text)) throw broken(order, sentence);
  throw new Error(sentence); // a registry that does not answer, a full disk: another time it may
}

/** @returns the exit code, the signal, or ENOENT for a program that is not there */
async function spawned(words: string[], onLine: Say, signal: AbortSignal): Promise<number | string> {
  const [program, ...args] = words;
  const child = spawn(program!, args, { env: childEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
  const stop = () => void child.kill();
  signal.addEventListener('abort', stop);
  createInterface({ input: child.stdout }).on('line', onLine);
  createInterface({ input: child.stderr }).on('line', onLine);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', (error) => (hasCode(error, 'ENOENT') ? resolve('ENOENT') : reject(error)));
      child.once('close', (code, deadly) => resolve(code ?? deadly ?? 1));
    });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function has(program: string): Promise<boolean> {
  return (await spawned([program, '--version'], () => {}, new AbortController().signal)) === 0;
}

const aboutScript = `import importlib.metadata as m, json, platform, sys
print(json.dumps({"python": sys.version.split()[0], "platform": platform.platform(),
  "packages": sorted({f"{d.name}=={d.version}" for d in m.distributions() if d.name})}))`;

async function describe(python: string): Promise<EnvironmentInfo> {
  const about = await aboutOf(python);
  return { digest: sha256(canonicalJson(about)), python: about.python, packages: about.packages };
}

const About = z.object({ python: z.string(), platform: z.string(), packages: z.array(z.string()) });

async function aboutOf(python: string): Promise<z.infer<typeof About>> {
  const lines: string[] = [];
  const code = await spawned(
    [python, '-c', aboutScript],
    (line) => lines.push(line),
    new AbortController().signal,
  );
  if (code !== 0) throw new Error(`${python} left with ${code}: ${lines.join('\n')}`);
  return About.parse(JSON.parse(lines.at(-1)!));
}

/** Of the interpreter that the environment is made with: another one needs another environment. */
async function versionOf(order: EnvironmentOrder): Promise<string> {
  const lines: string[] = [];
  const words = [
    order.python,
    '-c',
    'import sys, platform; print(sys.version, sys.executable, platform.platform())',
  ];
  const code = await spawned(words, (line) => lines.push(line), new AbortController().signal);
  if (code === 0) return lines.join(' ');
  throw broken(
    order,
    `the interpreter "${order.python}" does not run (${code}): ${lines.join(' ').slice(0, 300)}`,
  );
}

const interpreterIn = (folder: string): string =>
  process.platform === 'win32' ? join(folder, 'Scripts', 'python.exe') : join(folder, 'bin', 'python');

const broken = ({ lockName }: EnvironmentOrder, sentence: string) =>
  permanent('EnvironmentFailed', sentence, { requirements: lockName });
