/** Programs run compiled: anew when a source changes, and as they stand where nothing can be written. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { compiled, folders } from '../../infra/compiled.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
let place: string;

/** A tree with the same tools and two modules of its own. */
before(async () => {
  place = await mkdtemp(join(tmpdir(), 'esteira-compiled-'));
  for (const folder of [...folders, 'node_modules']) await mkdir(join(place, folder));
  for (const name of ['compiled.mjs', 'compile.mjs', 'start.mjs'])
    await cp(join(root, 'infra', name), join(place, 'infra', name));
  for (const name of ['esbuild', 'tsx', '@esbuild', 'get-tsconfig', 'resolve-pkg-maps'])
    await symlink(join(root, 'node_modules', name), join(place, 'node_modules', name)).catch(() => {});
  await writeFile(join(place, 'package.json'), '{"type": "module"}');
  await writeFile(join(place, 'package-lock.json'), '{}');
  await writeFile(join(place, 'client', 'word.ts'), 'export const word: string = "one";\n');
  await writeFile(
    join(place, 'client', 'cli.ts'),
    `import { word } from './word.ts';
     const away = new URL('./away.ts', import.meta.url);
     console.log(JSON.stringify([word, import.meta.url, String(away), process.argv.slice(2)]));\n`,
  );
  await chmod(place, 0o755);
});
after(() => rm(place, { recursive: true, force: true }));

const cache = () => readdir(join(place, 'node_modules', '.cache', 'esteira')).catch(() => []);

async function run(options: { uid?: number } = {}): Promise<[string, string, string, string[]]> {
  const args = ['infra/start.mjs', 'client/cli.ts', '--x'];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: place, ...options });
  return JSON.parse(stdout) as [string, string, string, string[]];
}

test('where nothing can be written, a program runs as it stands', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('only root can become somebody who may not write');
  const [word, , , args] = await run({ uid: 65_534 });
  assert.deepEqual([word, args, await cache()], ['one', ['--x'], []]);
});

test('a program knows the place of its source, and is compiled once until a source changes', async () => {
  const [word, own, away] = await run();
  assert.deepEqual([word, own], ['one', new URL(`file://${place}/client/cli.ts`).href]);
  assert.equal(away, new URL(`file://${place}/client/away.ts`).href);
  await run();
  assert.equal((await cache()).length, 1);
  await writeFile(join(place, 'client', 'word.ts'), 'export const word: string = "two";\n'); // as long, in the same second
  assert.equal((await run())[0], 'two');
  assert.equal((await cache()).length, 2);
});

test('several that start at once each run', async () => {
  await writeFile(join(place, 'client', 'word.ts'), 'export const word: string = "six";\n');
  const words = await Promise.all(Array.from({ length: 3 }, () => run()));
  assert.deepEqual(
    words.map(([word]) => word),
    ['six', 'six', 'six'],
  );
  assert.equal((await cache()).length, 3, 'nothing half made is left');
});

test('every program that a module of ours starts is compiled; one of a test is not', () => {
  const listed = execFileSync('git', ['grep', '-hoE', "new URL\\('[^']+\\.ts', import", '--', ...folders], {
    cwd: root,
    encoding: 'utf8',
  });
  assert(listed.includes('scorer.ts') && listed.includes('cpu.ts'));
  for (const path of [
    'workers/cpu.ts',
    'serving/server.ts',
    'activities/evaluate/scorer.ts',
    'client/cli.ts',
  ])
    assert(compiled(new URL(path, new URL('../../', import.meta.url))), path);
  assert.equal(compiled(new URL('../support/echo-child.ts', import.meta.url)), undefined);
});
