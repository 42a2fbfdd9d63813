/** What holds a child process that runs somebody's model: its memory, its time, and what it is told of us. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { forkModule } from '../../infra/child.ts';
import type { ChildOptions } from '../../infra/child.ts';
import { isAlive } from '../../infra/local.ts';

let folder: string;
before(async () => (folder = await mkdtemp(join(tmpdir(), 'esteira-limits-'))));
after(() => rm(folder, { recursive: true }));

const plenty = { memoryBytes: 400e6, totalMs: 60_000 };

async function run(code: string, options: ChildOptions = { limits: plenty }) {
  const path = join(folder, 'child.mjs');
  await writeFile(path, code);
  const child = forkModule(pathToFileURL(path), { ...options, onText: () => {} });
  const events = [];
  for await (const event of child.events) events.push(event);
  return { pid: child.pid, events, exit: await child.exited };
}

test('what grows beyond its memory is ended, and the limit is told', { timeout: 240_000 }, async () => {
  const grow = 'const all = []; setInterval(() => all.push(Buffer.alloc(1 << 22, 1)), 1)';
  const { exit, pid } = await run(grow);
  assert.deepEqual(exit, { code: null, signal: 'SIGKILL', over: 'memory' });
  assert(!isAlive(pid));
});

test('what asks for too much at once is refused it by the kernel', { timeout: 240_000 }, async () => {
  if (process.platform !== 'linux') return;
  const ask = `try { Buffer.alloc(3e9) } catch (error) { console.log(JSON.stringify({ no: error.message })) }`;
  const { events, exit } = await run(ask);
  assert.match(String(events[0]?.['no']), /allocation failed/i);
  assert.deepEqual(exit, { code: 0, signal: null });
});

test('what blocks its own event loop is ended by the clock all the same', { timeout: 240_000 }, async () => {
  const { exit } = await run('for (;;) Math.random()', { limits: { ...plenty, totalMs: 500 } });
  assert.deepEqual(exit, { code: null, signal: 'SIGKILL', over: 'time' });
});

test('with limits it gets no environment of ours but what it needs; without, all', async () => {
  process.env['AWS_SECRET_ACCESS_KEY'] = 'canary';
  process.env['NODE_OPTIONS'] ??= '';
  const tell = 'console.log(JSON.stringify(process.env))';
  const [bare, full] = [await run(tell), await run(tell, {})];
  delete process.env['AWS_SECRET_ACCESS_KEY'];
  const expected = new Set([
    'PATH',
    'HOME',
    'TMPDIR',
    'LANG',
    'TZ',
    'PWD',
    'MALLOC_ARENA_MAX',
    'CHILD_GUARD',
  ]);
  const strange = Object.keys(bare.events[0]!).filter(
    (name) => !expected.has(name) && !/^(_|SHLVL|OLDPWD)$/.test(name),
  );
  assert.deepEqual(strange, []);
  assert.equal(full.events[0]!['AWS_SECRET_ACCESS_KEY'], 'canary');
});
