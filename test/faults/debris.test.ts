/** Nothing leaks: what a `kill -9` leaves of a write is swept at the next start, and nobody else's file with it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { sweepWorkFolders } from '../../activities/work-folder.ts';
import type { Failpoint } from '../../infra/faults.ts';
import { ownName, sweepFolder } from '../../infra/local.ts';
import { openStore } from '../../infra/store/open.ts';
import type { Store } from '../../infra/store/store.ts';
import { startS3 } from '../support/s3.ts';
import { until } from '../support/until.ts';

const root = await mkdtemp(join(tmpdir(), 'esteira-debris-'));
const s3 = await startS3();
after(async () => {
  if (typeof s3 !== 'string') await s3.stop();
  await rm(root, { recursive: true, force: true });
});

/** Operation, where it dies, and whether that leaves a file behind. */
type Death = [operation: string, point: Failpoint, leaves?: 'nothing'];

test('the file store: killed in the middle of each kind of write', { timeout: 960_000 }, async () => {
  const folder = join(root, 'store');
  const uri = pathToFileURL(folder).href;
  const store = await openStore(uri, { cacheDir: root });
  await mkdir(join(folder, '.locks'));
  const deaths: Death[] = [
    ['create', 'store:writing', 'nothing'],
    ['create', 'store:staged'],
    ['create', 'store:created'],
    ['stream', 'store:chunk'],
    ['swap', 'store:queued'],
    ['swap', 'store:locked'],
    ['swap', 'store:compared'],
    ['swap', 'store:swapped'],
    ['delete', 'store:deleted'],
  ];
  const left = async (pid: number) => (await debrisOf(folder)).filter((path) => path.includes(`~${pid}~`));
  await eachOf(deaths, async ([operation, point, leaves]) => {
    const pid = await killed(store, root, operation, point);
    assert.equal((await left(pid)).length > 0, leaves !== 'nothing', `${operation} at ${point}`);
  });

  const living = await hung(store, root, 'stream', 'store:chunk');
  const mine = join('.tmp', ownName());
  await writeFile(join(folder, mine), 'in use');
  const [old, young] = await strangers(join(folder, '.tmp'));
  await store.sweep();
  const kept = await debrisOf(folder);
  assert.deepEqual(kept.toSorted(), [...(await left(living.pid)), mine, join('.tmp', young)].toSorted());
  assert(!kept.includes(join('.tmp', old)));
  living.kill();

  for (const [operation, point] of deaths) await isWhole(store, operation, keyOf(operation, point));
  await store.close();
});

test('the s3 store: killed while it spools, sends, completes, downloads', { timeout: 960_000 }, async (t) => {
  if (typeof s3 === 'string') return t.skip(s3);
  const cacheDir = join(root, 'cache');
  const store = await openStore(s3.uri, { cacheDir });
  const deaths: Death[] = [
    ['parts', 'store:chunk'],
    ['parts', 'store:staged'],
    ['parts', 'store:part'],
    ['parts', 'store:completing'],
    ['download', 'store:downloaded'],
  ];
  await eachOf(deaths, (death) => killed(store, cacheDir, death[0], death[1]));
  const living = await hung(store, cacheDir, 'parts', 'store:part');
  assert.equal((await s3.uploads()).length, 3);
  const temporary = join(cacheDir, 'store', '.tmp');
  assert.equal((await readdir(temporary)).length, deaths.length + 1);

  await store.sweep();
  assert.equal((await s3.uploads()).length, 1, 'that of the living');
  const [kept, ...more] = await readdir(temporary);
  assert.match(kept!, new RegExp(`~${living.pid}~`));
  assert.deepEqual(more, []);
  living.kill();
  await living.dead;
  await store.sweep();
  assert.deepEqual(await s3.uploads(), []);
  assert.deepEqual(await readdir(temporary), []);
  assert.deepEqual(await readdir(join(cacheDir, 'store', 'uploads'), { recursive: true }).then(notesIn), []);
  await store.close();
});

test(
  'work folders and spilled data of the dead go, those of the living stay',
  { timeout: 480_000 },
  async () => {
    const store = await openStore(pathToFileURL(join(root, 'other')).href, { cacheDir: root });
    for (const operation of ['work', 'spill']) {
      const folder = join(root, operation);
      await mkdir(folder);
      const [, living] = await Promise.all([
        killed(store, folder, operation, 'store:staged'),
        hung(store, folder, operation, 'store:staged'),
      ]);
      assert.equal((await readdir(folder)).length, 2);
      await (operation === 'work' ? sweepWorkFolders(folder) : sweepFolder(folder));
      const [kept, ...more] = await readdir(folder);
      assert.match(kept!, new RegExp(`~${living.pid}~`));
      assert.deepEqual(more, []);
      living.kill();
    }
    await store.close();
  },
);

const keyOf = (operation: string, point: Failpoint) => `${operation}-${point.replace(':', '-')}`;

/** @returns its pid, when it has died of the failpoint */
async function killed(store: Store, cacheDir: string, operation: string, point: Failpoint): Promise<number> {
  const key = keyOf(operation, point);
  if (operation !== 'create') await store.create(key, 'seed');
  const child = start(store, cacheDir, operation, key, `${point}:kill`);
  assert.equal(await child.dead, 'SIGKILL', `${operation} never came to ${point}`);
  return child.pid;
}

/** @returns a writer that lives, and has got to the failpoint */
async function hung(store: Store, cacheDir: string, operation: string, point: Failpoint) {
  const faults = join(root, `hang-${operation}`);
  await writeFile(faults, `${point}:hang\n`);
  const child = start(store, cacheDir, operation, `living-${operation}`, `file:${faults}`);
  await until(() => readdir(root).then((names) => names.includes(`hang-${operation}.struck`)));
  return child;
}

function start(store: Store, cacheDir: string, operation: string, key: string, fault: string) {
  const path = fileURLToPath(new URL('../support/write-killed.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', path, store.uri, cacheDir, operation, key], {
    env: { ...process.env, ESTEIRA_FAULT: fault },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const dead = new Promise<NodeJS.Signals | null>((resolve) => {
    child.once('exit', (_, signal) => resolve(signal));
  });
  return { pid: child.pid!, dead, kill: () => child.kill('SIGKILL') };
}

/** A dead writer's object is as before or as it wanted, and can be written again. */
async function isWhole(store: Store, operation: string, key: string): Promise<void> {
  const found = await store.read(key);
  const text = found && String(Buffer.from(found.bytes));
  const outcomes: Record<string, (string | undefined)[]> = {
    create: [undefined, 'killed'],
    swap: ['seed', 'killed'],
    delete: [undefined],
  };
  const allowed = outcomes[operation];
  if (allowed) assert(allowed.includes(text), `${key} is ${text}`);
  assert.notEqual(await store.swap(key, 'again', found?.etag), undefined);
}

/** Files of another machine: one from two days ago, one from now. */
async function strangers(folder: string): Promise<[old: string, young: string]> {
  const [old, young] = ['~another-host~1~5~old', '~another-host~1~5~young'] as const;
  for (const name of [old, young]) await writeFile(join(folder, name), '');
  const before = new Date(Date.now() - 2 * 86_400_000);
  await utimes(join(folder, old), before, before);
  return [old, young];
}

/** Temporary files and waiters of locks, as paths below the store. */
async function debrisOf(folder: string): Promise<string[]> {
  const temporary = (await readdir(join(folder, '.tmp'))).map((name) => join('.tmp', name));
  const locks = await readdir(join(folder, '.locks'), { recursive: true });
  return [...temporary, ...locks.filter((path) => path.includes('/.')).map((path) => join('.locks', path))];
}

function notesIn(names: string[]): string[] {
  return names.filter((name) => name.includes('~'));
}

/** Two at a time: each is a process. */
async function eachOf<T>(all: T[], work: (one: T) => Promise<unknown>): Promise<void> {
  const rest = [...all];
  const worker = async () => {
    for (let one = rest.shift(); one !== undefined; one = rest.shift()) await work(one);
  };
  await Promise.all([worker(), worker()]);
}
