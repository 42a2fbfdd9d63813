/** Commands that do more than one thing, killed or failing between two of them: nothing half done, and the next try works. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { anyPorts } from '../support/ports.ts';
import { runningWith } from '../support/processes.ts';
import { until } from '../support/until.ts';

const program = fileURLToPath(new URL('../../client/esteira.mjs', import.meta.url));
let root: string;
before(async () => (root = await mkdtemp(join(tmpdir(), 'esteira-commands-'))));
after(() => rm(root, { recursive: true, force: true }));

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/** @param fault as `ESTEIRA_FAULT` has it; empty for none */
function esteira(home: string, fault: string, ...args: string[]): Promise<Ran> {
  const own = {
    ESTEIRA_HOME: join(root, home),
    ...anyPorts,
    NO_COLOR: '1',
    ESTEIRA_FAULT: fault,
  };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [program, ...args],
      { env: { ...process.env, ...own } },
      (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code ?? 137) : 0, stdout, stderr });
      },
    );
  });
}

/** The Temporal server is no module of ours, and names the home in its arguments; so do the others. */
const leftOf = (home: string) => runningWith(join(root, home));

for (const point of ['cli:temporal', 'cli:processes', 'cli:noted'] as const) {
  test(`up, ended at ${point}, leaves nothing that down does not stop`, { timeout: 720_000 }, async () => {
    for (const action of ['throw', 'kill'] as const) {
      const home = `${point.slice(4)}-${action}`;
      const { code, stderr } = await esteira(home, `${point}:${action}`, 'up');
      assert.notEqual(code, 0);
      if (action === 'throw') assert.match(stderr, new RegExp(`failpoint ${point}`));
      // A Temporal server outlives a killed `up`, for the next one to take over; `down` ends it, too.
      const down = await esteira(home, '', 'down');
      assert.equal(down.code, 0, down.stderr);
      await until(async () => (await leftOf(home)).length === 0);
    }
  });
}

test('init, ended between its files, never leaves a project without its data', async () => {
  const folder = join(root, 'project');
  for (const action of ['throw', 'kill']) {
    await rm(folder, { recursive: true, force: true });
    assert.notEqual((await esteira('init', `cli:written:${action}`, 'init', folder)).code, 0);
    assert.deepEqual(await readdir(folder), ['orders.csv']);
  }
});

test('run, ended before and after it has asked, is one run or none', { timeout: 960_000 }, async () => {
  const { startStack } = await import('../../client/stack.ts');
  const { openEsteira } = await import('../../client/session.ts');
  const { readConfig } = await import('../../infra/config.ts');
  const own = {
    ESTEIRA_HOME: join(root, 'asking'),
    ESTEIRA_STORE: '',
    TEMPORAL_ADDRESS: '',
    ...anyPorts,
  };
  const config = readConfig({ ...process.env, ...own });
  const stack = await startStack(config);
  const client = await openEsteira(config);
  try {
    const folder = join(root, 'asked');
    assert.equal((await esteira('asking', '', 'init', folder)).code, 0);
    assert.notEqual((await esteira('asking', 'cli:pinned:kill', 'run', folder)).code, 0);
    assert.equal(await client.describe('asked'), undefined, 'nobody was asked');
    assert.notEqual((await esteira('asking', 'cli:asked:kill', 'run', folder)).code, 0);
    const about = await client.describe('asked');
    assert.equal(about?.lifecycles, 1, 'the server was asked, and goes on without the caller');
    assert.equal((await client.outcome('lifecycle/asked/1')).status, 'deployed');
  } finally {
    await client.close();
    await stack.stop();
  }
});
