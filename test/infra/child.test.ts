import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { forkModule } from '../../infra/child.ts';
import { isAlive } from '../../infra/local.ts';

const echo = new URL('../support/echo-child.ts', import.meta.url);

test('a child gets its input and answers in JSON lines; other lines are text', async () => {
  const text: string[] = [];
  const options = {
    args: ['brief'],
    input: 'hello',
    env: { WORD: 'x' },
    onText: (line: string) => text.push(line),
  };
  const child = forkModule(echo, options);
  const events = [];
  for await (const event of child.events) events.push(event);
  assert.deepEqual(events, [{ pid: child.pid, mode: 'brief', input: 'hello', word: 'x' }]);
  assert.deepEqual(text, ['not json']);
  assert.deepEqual(await child.exited, { code: 0, signal: null });
});

test('a child that ignores SIGTERM is killed', async () => {
  const child = forkModule(echo, { args: ['stubborn'], onText: () => {} });
  const events = child.events[Symbol.asyncIterator]();
  await events.next();
  await child.kill(100);
  assert.equal((await child.exited).signal, 'SIGKILL');
});

test('a busy child does not outlive a parent that was killed', { timeout: 160_000 }, async () => {
  const path = fileURLToPath(new URL('../support/parent.ts', import.meta.url));
  const parent = spawn(process.execPath, ['--import', 'tsx', path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
  const { pid } = JSON.parse(line) as { pid: number };
  parent.kill('SIGKILL');
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
});
