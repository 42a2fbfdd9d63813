/** Failpoints: the list and the code agree, every stage has some, and each way to fail does what it says. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stageNames } from '../../contracts/stage.ts';
import { ConfigError, readConfig } from '../../infra/config.ts';
import { armFailpoints, failpoint } from '../../infra/failpoint.ts';
import { failpoints, parseFaults } from '../../infra/faults.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;
before(async () => (folder = await mkdtemp(join(tmpdir(), 'esteira-failpoint-'))));
after(() => rm(folder, { recursive: true, force: true }));

/** Names in the code; the three of every recorded stage are written once for all, with the stage's name left open. */
async function passed(): Promise<string[]> {
  const names: string[] = [];
  for (const top of ['activities', 'infra', 'serving', 'client', 'workers']) {
    for (const file of await readdir(join(root, top), { recursive: true })) {
      if (!file.endsWith('.ts') || file === 'failpoint.ts') continue;
      const text = await readFile(join(root, top, file), 'utf8');
      for (const [, name] of text.matchAll(/failpoint\(\s*[`'"]([^`'"]+)[`'"]/g)) names.push(name!);
    }
  }
  return names;
}

test('what is listed is passed somewhere, and what is passed is listed', async () => {
  const found = await passed();
  const open = found
    .filter((name) => name.startsWith('${stage}:'))
    .map((name) => name.slice('${stage}'.length));
  const recorded = ['ingest', 'validate', 'prepare', 'train', 'evaluate', 'deploy'];
  const names = [
    ...found.filter((name) => !name.startsWith('${stage}:')),
    ...recorded.flatMap((stage) => open.map((end) => `${stage}${end}`)),
  ];
  assert.deepEqual([...new Set(names)].toSorted(), [...new Set<string>(failpoints)].toSorted());
  assert.equal(new Set(failpoints).size, failpoints.length, 'a name is listed twice');
});

test('every stage, the store, serving and the commands have failpoints', () => {
  const without = [...stageNames, 'store', 'serving', 'cli'].filter(
    (name) => !failpoints.some((point) => point.startsWith(`${name}:`)),
  );
  assert.deepEqual(without, []);
});

test('unset, a failpoint is nothing at all', () => {
  armFailpoints(undefined);
  assert.equal(failpoint('store:writing'), undefined);
});

test('a fault strikes at its place, at its passing, once', async () => {
  armFailpoints('store:writing:throw@2, ingest:part:throw');
  await failpoint('store:writing');
  await failpoint('store:staged');
  await assert.rejects(Promise.resolve(failpoint('store:writing')), /failpoint store:writing/);
  await failpoint('store:writing');
  await assert.rejects(Promise.resolve(failpoint('ingest:part')), /failpoint ingest:part/);
  armFailpoints(undefined);
});

test('a fault in a file strikes once, whatever process meets it, and the file may grow', async () => {
  const path = join(folder, 'faults');
  await writeFile(path, 'train:claimed:kill@1\n');
  const run = () => {
    const code = `const { failpoint } = await import('${new URL('../../infra/failpoint.ts', import.meta.url).href}');
      await failpoint('train:claimed'); await failpoint('train:trained'); console.log('survived');`;
    const env = { ...process.env, ESTEIRA_FAULT: `file:${path}` };
    return spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
      env,
      cwd: root,
    });
  };
  assert.equal(run().signal, 'SIGKILL');
  assert.match(String(run().stdout), /survived/);
  await writeFile(path, 'train:claimed:kill@1\ntrain:trained:throw@1\n');
  const { stderr, status } = run();
  assert.equal(status, 1);
  assert.match(String(stderr), /failpoint train:trained/);
  assert.match(String(run().stdout), /survived/);
  const struck = await readFile(`${path}.struck`, 'utf8');
  assert.equal(struck, '1 train:claimed:kill@1\n2 train:trained:throw@1\n');
});

test('what is no fault is refused in one sentence', () => {
  assert.throws(() => parseFaults('ingest'), /"ingest" is no fault; write point:action@n/);
  assert.throws(() => parseFaults('ingest:nowhere:kill'), /"ingest:nowhere" is no failpoint; known: /);
  assert.throws(
    () => parseFaults('ingest:part:explode'),
    /"explode" is no action; known: kill, throw, hang, slow/,
  );
  assert.throws(() => readConfig({ ESTEIRA_FAULT: 'ingest:part:explode' }), ConfigError);
});

test('in production a fault that was left in the environment stops the start', () => {
  const left = { NODE_ENV: 'production', ESTEIRA_FAULT: 'ingest:part:kill' };
  assert.throws(() => readConfig(left), /ESTEIRA_FAULT makes this process fail on purpose/);
  readConfig({ ...left, ESTEIRA_FAULT_CONFIRM: 'break-production' });
  readConfig({ ESTEIRA_FAULT: 'ingest:part:kill' });
});
