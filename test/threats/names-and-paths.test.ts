/** Names that would be paths, and paths that lead out: of sources, of store keys, of models. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { LifecycleId, ModelName } from '../../contracts/artifact.ts';
import { checkKey } from '../../infra/store/key.ts';
import { csv } from '../support/stage.ts';
import { names } from './paths.ts';
import { openSandbox, refusal } from './sandbox.ts';
import type { Sandbox } from './sandbox.ts';

let sandbox: Sandbox;
before(async () => {
  sandbox = await openSandbox();
  await sandbox.write('rows.csv', csv(50));
  await mkdir(join(sandbox.bench.folder, 'data'));
});
after(() => sandbox.close());

test('no such name is the name of a model, or part of an id', () => {
  for (const name of names) {
    if (name === 'constructor') continue; // a word like others: models are kept in Maps
    assert.equal(ModelName.safeParse(name).success, false, name);
    assert.equal(LifecycleId.safeParse(`lifecycle/${name}/1`).success, false, name);
    assert.equal(LifecycleId.safeParse(`lifecycle/m/${name}`).success, false, name);
  }
});

test('no key leads out of a store, or into what is hidden in it', async () => {
  const out = [
    '../x',
    'a/../../b',
    '..\\x',
    'C:\\x',
    '\\\\server\\share',
    'x\0.json',
    'x\n',
    '..',
    '.',
    '.hidden',
    '',
  ];
  for (const key of [...out, 'x'.repeat(4_096), '/etc/passwd', 'a//b', 'a/./b', 'a/.tmp/b', 'a/']) {
    await refusal(async () => checkKey(key), 'InvalidInput', /store key/);
    await refusal(
      async () => sandbox.bench.store.createFromFile(key, 'README.md', 'text/plain'),
      'InvalidInput',
      /store key/,
    );
  }
});

/** The project's folder is in /tmp and the tests run elsewhere, so both ways lead to nothing that is allowed. */
const sources: [string, () => string | Promise<string>, RegExp][] = [
  [
    'a path that leads out',
    () => relative(sandbox.bench.folder, join(sandbox.outside, 'secret.csv')),
    /outside the project/,
  ],
  ['an absolute path outside', () => join(sandbox.outside, 'secret.csv'), /outside the project/],
  ['a file of the system', () => '/etc/passwd', /outside the project/],
  ['every file there is', () => '/**', /outside the project/],
  ['a way out behind a wildcard', () => 'd*/../../*/secret.csv', /outside the project|no file matches/],
  ['a link out of the project', () => linked('linked.csv', 'secret.csv'), /outside the project/],
  [
    'a folder that is a link out',
    async () => join(await linked('folder', '.'), 'secret.csv'),
    /outside the project/,
  ],
  [
    'a link met by a wildcard',
    async () => join(dirname(await linked('data/l.csv', 'secret.csv')), '*.csv'),
    /outside the project/,
  ],
  ['a pipe, which would be waited for', () => piped('pipe.csv'), /no plain file/],
  ['a device', () => '/dev/zero', /outside the project/],
  ['a folder', () => 'data', /no plain file|no file matches|format/],
  ['a URL', () => 'http://169.254.169.254/latest/meta-data', /is a URL/],
  ['a bucket', () => 's3://bucket/rows.parquet', /is a URL/],
  ['a file as a URL', () => 'file:///etc/passwd', /is a URL/],
  ['another URL', () => 'gopher://127.0.0.1/x', /is a URL/],
  ['a share', () => '\\\\server\\share\\rows.csv', /no file matches/],
  ['a drive', () => 'C:\\rows.csv', /no file matches/],
  ['a NUL', () => 'rows.csv\0.txt', /control character/],
  ['a line break', () => 'rows.csv\nrows.csv', /control character/],
  ['encoded dots', () => '%2e%2e/secret.csv', /no file matches/],
  [
    'a quote that would end the literal',
    () => "rows.csv') UNION SELECT * FROM read_text('/etc/passwd",
    /no file matches/,
  ],
  ['4,096 letters', () => `${'x'.repeat(4_096)}.csv`, /no file matches/],
];
for (const [what, path, says] of sources) {
  test(`a source is refused: ${what}`, { timeout: 160_000 }, async () => {
    const source = { path: await path(), format: 'csv' } as const;
    const message = await sandbox.refuses({ sources: { event: source } }, 'UnreadableSource', says);
    assert(!message.includes('root:'), 'and nothing of it is told');
  });
}

test('a good source beside all of them is read', async () => {
  assert.equal((await sandbox.ingest()).rows, 50);
  assert.equal((await sandbox.ingest({ sources: { event: { path: './data/../rows.csv' } } })).rows, 50);
});

async function linked(name: string, target: string): Promise<string> {
  await symlink(join(sandbox.outside, target), join(sandbox.bench.folder, name));
  return name;
}

function piped(name: string): string {
  execFileSync('mkfifo', [join(sandbox.bench.folder, name)]);
  return name;
}
