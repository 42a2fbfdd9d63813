import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { workflowBundle } from '../../infra/workflow-bundle.ts';

test(
  'the bundle is built once per content, also when two ask at the same time',
  { timeout: 480_000 },
  async () => {
    const cacheDir = await mkdtemp(join(tmpdir(), 'esteira-bundle-'));
    const [one, two] = await Promise.all([workflowBundle(cacheDir), workflowBundle(cacheDir)]);
    assert.deepEqual(one, two);
    const built = await stat(one.codePath);
    assert(built.size > 100_000);
    const again = await workflowBundle(cacheDir);
    assert.equal((await stat(again.codePath)).mtimeMs, built.mtimeMs);
    assert.equal((await readdir(join(cacheDir, 'workflows'))).length, 1);

    // What each workflow's start would evaluate, whatever it is: nothing but the list of workflows.
    const code = await readFile(one.codePath, 'utf8');
    const imports = code.match(/^.*__webpack_require__\(.*"\.\/(contracts|workflows)\/.*$/gm) ?? [];
    assert(imports.length > 100);
    const eager = imports.filter((line) => !/^ {4}const data = /.test(line));
    assert.deepEqual(
      eager.filter((line) => !/index\.ts|payload-converter\.ts/.test(line)),
      [],
    );
    await rm(cacheDir, { recursive: true });
  },
);
