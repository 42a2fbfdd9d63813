/** Files that a trainer points at: only a plain one of its own, in its own folder, is read. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { link, mkdir, mkdtemp, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { hasCode } from '../../infra/errno.ts';
import { copyUntrusted, readUntrusted } from '../../infra/untrusted-file.ts';
import { refusal } from './sandbox.ts';

let root: string;
let work: string;
let secret: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'esteira-links-'));
  work = join(root, 'work');
  await mkdir(join(work, 'deep'), { recursive: true });
  secret = join(root, 'secret');
  await writeFile(secret, 'canary-7f3a');
});
after(() => rm(root, { recursive: true }));

const bounds = () => ({ within: work, maxBytes: 1_000 });

test('a plain file is read, by its whole path or from the folder, and copied', async () => {
  await writeFile(join(work, 'deep', 'model'), 'good');
  assert.equal(String(await readUntrusted(join(work, 'deep', 'model'), bounds())), 'good');
  assert.equal(String(await readUntrusted('deep/../deep/model', bounds())), 'good');
  await copyUntrusted(join(work, 'deep', 'model'), join(root, 'copy'), bounds());
  assert.equal(await readFile(join(root, 'copy'), 'utf8'), 'good');
  await assert.rejects(copyUntrusted(join(work, 'deep', 'model'), join(root, 'copy'), bounds()), /EEXIST/);
});

/** Makes something at `path` and says what to name it by, when that is something else. */
type Trick = (path: string) => unknown;
const pipe: Trick = (path) => void execFileSync('mkfifo', [path]);
const socket: Trick = (path: string) =>
  new Promise<void>((resolve) => {
    const server = createServer().listen(path, resolve);
    server.unref();
  });

const tricks: [string, Trick, RegExp][] = [
  ['a symbolic link to a file outside', (path) => symlink(secret, path), /symbolic link/],
  ['a symbolic link to a file inside', (path) => symlink(join(work, 'deep', 'model'), path), /symbolic link/],
  ['a symbolic link to nothing', (path) => symlink(join(root, 'nothing'), path), /symbolic link/],
  ['a symbolic link to itself', (path) => symlink(path, path), /symbolic link/],
  [
    'a folder that is a link, on the way',
    async (path) => {
      await symlink(root, path);
      return join(path, 'secret');
    },
    /outside the folder/,
  ],
  [
    'a folder that is a link back inside',
    async (path) => {
      await symlink(path, path);
      return join(path, 'x');
    },
    /cannot be opened/,
  ],
  ['a hard link to a file outside', (path) => link(secret, path), /hard link: the file has 2 names/],
  ['a pipe, which would be waited for', pipe, /no plain file/],
  ['a socket', socket, /no plain file/],
  ['a folder', (path) => mkdir(path).then(() => undefined), /no plain file/],
  ['a device', () => '/dev/zero', /outside the folder/],
  ['a file outside', () => secret, /outside the folder/],
  ['a path that leads out', () => '../secret', /outside the folder/],
  [
    'a path that leads out and is absolute',
    () => join(work, 'deep', '..', '..', 'secret'),
    /outside the folder/,
  ],
  ['the folder itself', () => work, /outside the folder/],
  ['a file of the system', () => '/proc/self/environ', /outside the folder/],
  ['a NUL in the name', () => `${secret}\0.onnx`, /holds a NUL/],
  ['a name of 5,000 letters', () => 'x'.repeat(5_000), /cannot be opened/],
  ['a file that is taken for a folder', () => 'deep/model/x', /cannot be opened/],
  [
    'a file larger than any model',
    async (path) => {
      await writeFile(path, '');
      await truncate(path, 2 ** 40);
    },
    /1099511627776 bytes; at most 1000/,
  ],
];
for (const [i, [what, make, says]] of tricks.entries()) {
  test(`refused: ${what}`, { timeout: 80_000 }, async () => {
    const path = join(work, `trick-${i}`);
    const made = await make(path);
    const named = typeof made === 'string' ? made : path;
    const message = await refusal(() => readUntrusted(named, bounds()), 'TrainerFailed', says);
    assert(!message.includes('canary'));
    await refusal(() => copyUntrusted(named, join(root, `copy-${i}`), bounds()), 'TrainerFailed', says);
    assert.equal(await readFile(secret, 'utf8'), 'canary-7f3a');
  });
}

test('a file that is gone is told by its code, and with the path as it was given', async () => {
  const path = join(work, 'gone');
  await assert.rejects(readUntrusted(path, bounds()), (error) => {
    return hasCode(error, 'ENOENT') && (error as { path?: string }).path === path;
  });
});

test(
  'a file that is swapped for a link while it is opened is never read from outside',
  { timeout: 240_000 },
  async () => {
    const path = join(work, 'swapped');
    const spare = join(work, 'spare');
    await symlink(secret, spare);
    let swapping = true;
    const swaps = (async () => {
      while (swapping) {
        await writeFile(`${path}.new`, 'good');
        await rename(`${path}.new`, path);
        await symlink(secret, `${path}.link`);
        await rename(`${path}.link`, path);
      }
    })();
    try {
      for (let i = 0; i < 300; i++) {
        const found = await readUntrusted(path, bounds()).then(String, String);
        assert.match(found, /^(|good)$|symbolic link|swapped|does not exist|outside|names/);
      }
    } finally {
      swapping = false;
      await swaps;
    }
  },
);
