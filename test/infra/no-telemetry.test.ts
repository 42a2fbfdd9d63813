/** ONNX Runtime would tell its maker of what runs here, and keep an id of the machine for it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { serveFiles, sumModel } from '../support/files-server.ts';
import { post } from '../support/server.ts';

test('whoever loads the runtime tells it first to keep silent', async () => {
  const root = new URL('../../', import.meta.url);
  const listed = execFileSync('git', ['grep', '-l', "'onnxruntime-node'", '--', '*.ts', ':!test'], {
    cwd: root,
  });
  for (const file of listed.toString().trim().split('\n')) {
    const text = await readFile(new URL(file, root), 'utf8');
    const loads = text.replaceAll(/^import type .*$/gm, '').indexOf("'onnxruntime-node'");
    if (loads === -1) continue;
    assert(text.includes('no-telemetry.mjs'), `${file} loads the runtime without no-telemetry.mjs`);
    assert(text.indexOf('no-telemetry.mjs') < text.indexOf("'onnxruntime-node'"), `${file}: too late`);
  }
});

test('a server that predicts leaves no id of the machine behind', async () => {
  const home = await mkdtemp(join(tmpdir(), 'esteira-home-'));
  const server = await serveFiles({ sum: sumModel() }, [], {
    HOME: home,
    XDG_CACHE_HOME: join(home, 'cache'),
  });
  try {
    const x = { name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] };
    assert.equal((await post(`${server.url}/v2/models/sum/infer`, { inputs: [x] })).status, 200);
  } finally {
    await server.stop();
  }
  for (const place of [join(home, '.cache', 'Microsoft'), join(home, 'cache', 'Microsoft')])
    assert(!existsSync(place), place);
  await rm(home, { recursive: true, force: true });
});
