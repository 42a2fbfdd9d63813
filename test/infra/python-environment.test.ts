/** Python environments: one for a lock, whoever builds it, and whatever killed builders left. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { failedWith } from '../../contracts/failures.ts';
import { armFailpoints } from '../../infra/failpoint.ts';
import { self } from '../../infra/local.ts';
import { pythonEnvironment } from '../../infra/python-environment.ts';

let cache: string;
before(async () => (cache = await mkdtemp(join(tmpdir(), 'esteira-python-'))));
after(() => rm(cache, { recursive: true, force: true }));

const { signal } = new AbortController();

/** An environment without packages: nothing is fetched. */
function build(lock = '# none', say: (line: string) => void = () => {}, change: object = {}) {
  const order = { lock, lockName: 'requirements.lock', python: 'python3', systemPackages: false, ...change };
  return pythonEnvironment(cache, order, say, signal);
}

async function folders(): Promise<string[]> {
  const [root] = await readdir(join(cache, 'python'));
  return (await readdir(join(cache, 'python', root!))).toSorted();
}

test('an environment whose builder failed, or died, is built by the next; of two at once there is one', async () => {
  armFailpoints('train:environment:throw');
  await assert.rejects(build(), /train:environment/);
  armFailpoints(undefined);
  assert.deepEqual(await folders(), [], 'what was half built is gone');

  const [root] = await readdir(join(cache, 'python'));
  const left = join(cache, 'python', root!, 'env-00000000-0000-0000-0000-000000000000');
  await mkdir(left);
  // The mark of a process that is no more: of this machine, with a birth that no living one has.
  await writeFile(join(cache, 'python', root!, self.replace(/~\d+~\d*~$/, '~1~0~')), left.split('/').at(-1)!);
  const [one, two] = await Promise.all([build(), build()]);
  assert.deepEqual(one, two);
  assert.match(one.info.python!, /^3\.\d+/);
  const [kept, ready, ...more] = await folders();
  assert.match(kept!, /^env-[0-9a-f-]+$/);
  assert.notEqual(join(cache, 'python', root!, kept!), left);
  assert.deepEqual([ready, more], ['ready.json', []]);

  const said: string[] = [];
  assert.deepEqual(await build('# none', (line) => said.push(line)), one);
  assert.deepEqual(said, [], 'it is there, and nothing is done');
});

const refusals: [name: string, lock: string, change: object, sentence: RegExp][] = [
  ['a version left open', 'numpy>=1', {}, /requirements\.lock:1: "numpy>=1" has no exact version/],
  [
    'no such interpreter',
    '# none',
    { python: 'python-of-nobody' },
    /the interpreter "python-of-nobody" does not run \(ENOENT\)/,
  ],
  [
    'a package that is not to be had',
    '--no-index\nno-such-package-of-ours==1.0',
    {},
    /the environment of requirements\.lock cannot be built: (.|\n)*no-such-package-of-ours/,
  ],
];
for (const [name, lock, change, sentence] of refusals) {
  test(`${name} is refused by name`, async () => {
    await assert.rejects(build(lock, undefined, change), (error: Error) => {
      assert.match(error.message, sentence);
      return failedWith(error, 'EnvironmentFailed');
    });
  });
}

test('the machine’s own packages alone need no environment of their own', async () => {
  const { python, info } = await build('', undefined, { systemPackages: true });
  assert.equal(python, 'python3');
  assert(info.packages !== undefined);
});
