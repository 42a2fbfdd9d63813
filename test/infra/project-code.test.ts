/** The files that a project's trainer runs: checked where they are written, pinned as they are. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { exampleProject } from '../../client/template.ts';
import { pinFiles } from '../../infra/project-code.ts';
import { ProjectError, readProject } from '../../infra/project-file.ts';
import { openFileStore } from '../../infra/store/file.ts';

const template = exampleProject('orders')['esteira.yaml']!;
let root: string;
before(async () => (root = await mkdtemp(join(tmpdir(), 'esteira-code-'))));
after(() => rm(root, { recursive: true, force: true }));

async function written(text: string, files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(root, 'p-'));
  for (const [name, content] of Object.entries({ 'esteira.yaml': text, ...files })) {
    await writeFile(join(folder, name), content);
  }
  return folder;
}

async function refusalOf(path: string): Promise<ProjectError> {
  const refused = await readProject(path).then(
    () => assert.fail(`${path} was taken`),
    (error: unknown) => error,
  );
  assert(refused instanceof ProjectError, String(refused));
  return refused;
}

test('a lock without an exact version is told with its line; files are pinned as they are, and no link leads out', async () => {
  const python = '{ backend: python, script: train.py, requirements: lock.txt, files: [lib/*.py] }';
  const text = template.replace(/^trainer: .*$/m, `trainer: ${python}`);
  const folder = await written(text, {
    'train.py': 'print(1)',
    'lock.txt': '# two\nnumpy==2.0.0\nscipy>=1\n',
  });
  await mkdir(join(folder, 'lib'));
  await writeFile(join(folder, 'lib', 'own.py'), 'x = 1');
  const { message } = await refusalOf(folder);
  assert.equal(message.split('\n').length, 1);
  assert.match(message, /lock\.txt:3: "scipy>=1" has no exact version; write name==1\.2\.3/);

  await writeFile(
    join(folder, 'lock.txt'),
    'numpy==2.0.0 \\\n    --hash=sha256:abc\nscipy[x]==1.1 ; python_version > "3"\n',
  );
  const { project } = await readProject(folder);
  const store = await openFileStore(pathToFileURL(join(folder, 'store')).href);
  const files = await pinFiles(project, folder, store);
  assert.deepEqual(
    files.map(({ path }) => path),
    ['lib/own.py', 'lock.txt', 'train.py'],
  );
  await store.close();

  await rm(join(folder, 'train.py'));
  await writeFile(join(folder, 'tran.py'), '');
  const missing = (await refusalOf(folder)).message;
  assert.match(missing, /trainer\.script is "train\.py", and .* has no such file, did you mean tran\.py\?/);
  await symlink('/etc/hostname', join(folder, 'train.py'));
  assert.match(
    (await refusalOf(folder)).message,
    /trainer\.script is "train\.py", a file outside the project's folder/,
  );
});
