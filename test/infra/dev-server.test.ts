import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client, Connection } from '@temporalio/client';
import { searchAttributes } from '../../contracts/search.ts';
import { readConfig } from '../../infra/config.ts';
import { findTemporalCli, registerSearchAttributes, startDevServer } from '../../infra/dev-server.ts';

const { cacheHome } = readConfig();
let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'esteira-dev-server-'));
});
after(() => rm(root, { recursive: true, force: true }));

async function program(...path: string[]): Promise<string> {
  const file = join(root, ...path);
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(file, '#!/bin/sh\n');
  await chmod(file, 0o755);
  return file;
}

test('a temporal on PATH goes before a cached one', async () => {
  const onPath = await program('path', 'temporal');
  const cached = await program('cache', 'temporal', 'python', 'bin', 'temporal');
  const found = await findTemporalCli(join(root, 'cache'), [join(root, 'empty'), join(root, 'path')]);
  assert.equal(found.path, onPath);
  assert.equal((await findTemporalCli(join(root, 'cache'), [])).path, cached);
});

test("the SDK's earlier download is used, a half-done one is not", async () => {
  await program('sdk-cache', 'temporal', 'sdk', 'temporal-sdk-typescript-1.24.0.downloading');
  const cached = await program('sdk-cache', 'temporal', 'sdk', 'temporal-sdk-typescript-1.24.0');
  assert.equal((await findTemporalCli(join(root, 'sdk-cache'), [])).path, cached);
});

test('the server keeps its state over restarts, and a second start takes the running one over', async () => {
  const home = join(root, 'home');
  const first = await startDevServer({ home, cacheHome });
  const connection = await Connection.connect({ address: first.address });
  const client = new Client({ connection });
  await client.workflow.start('nobody-runs-this', { workflowId: 'kept', taskQueue: 'none' });
  await registerSearchAttributes(connection, 'default');
  const { customAttributes } = await connection.operatorService.listSearchAttributes({
    namespace: 'default',
  });
  for (const name of Object.keys(searchAttributes)) assert(name in (customAttributes ?? {}), name);
  await connection.close();

  const same = await startDevServer({ home, cacheHome });
  assert.equal(same.pid, first.pid);
  assert.match(same.description, /already running/);
  await same.stop();

  const second = await startDevServer({ home, cacheHome });
  assert.notEqual(second.pid, first.pid);
  const again = await Connection.connect({ address: second.address });
  const { status } = await new Client({ connection: again }).workflow.getHandle('kept').describe();
  assert.equal(status.name, 'RUNNING');
  await again.close();
  await second.stop();
});
