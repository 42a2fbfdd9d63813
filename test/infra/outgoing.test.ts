/** Where alerts may not go, however it is written; and secrets of a project. */
import assert from 'node:assert/strict';
import type { lookup, LookupAddress } from 'node:dns';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { childEnvironment, takeSecrets } from '../../infra/config.ts';
import { guarded, postTo } from '../../infra/outgoing.ts';
import { secretNamed } from '../../infra/secrets.ts';
import { openReceiver } from '../support/receiver.ts';

const barred = [
  'http://169.254.169.254/latest/meta-data/',
  'http://2852039166/', // the same in one number,
  'http://0xa9fea9fe/',
  'http://0251.0376.0251.0376/',
  'http://[fe80::1]/',
  'http://[::ffff:169.254.169.254]/',
  'http://[::ffff:a9fe:a9fe]/',
  'http://[fd00:ec2::254]/',
  'http://100.100.100.200/',
  'http://168.63.129.16/',
  'http://0.0.0.0/',
  'http://[::]/',
  'http://255.255.255.255/',
  'http://224.0.0.1/',
];
for (const url of barred) {
  test(`${url} is refused`, async () => {
    await assert.rejects(
      postTo(new URL(url), '{}', {}),
      /an address that alerts may not go to; ESTEIRA_ALERT_ALLOW=/,
    );
  });
}

test('a name that leads there, among others, is refused where the connection is made', async () => {
  const liar = ((_: string, _options: object, done: (error: null, found: LookupAddress[]) => void) => {
    done(null, [
      { address: '93.184.216.34', family: 4 },
      { address: '169.254.169.254', family: 4 },
    ]);
  }) as unknown as typeof lookup;
  const answer = await new Promise((done) => guarded([], liar)('rebound.test', { all: true }, done));
  assert.match(String(answer), /rebound.test is 169.254.169.254, an address that alerts may not go to/);
  await assert.rejects(
    postTo(new URL('http://nowhere.invalid/'), '{}', {}),
    /cannot be reached: .*nowhere.invalid/,
  );
});

test('what somebody has allowed is gone to: here, where nobody listens', async () => {
  const url = new URL('http://0.0.0.0:1/');
  await assert.rejects(postTo(url, '{}', {}, ['0.0.0.0']), /cannot be reached: .*ECONNREFUSED/);
});

test('an answer is read to two kilobytes, though it never ends', async () => {
  const server = createServer((_, response) => {
    response.writeHead(500);
    const flood = setInterval(() => response.write('x'.repeat(65_536)), 1);
    response.on('close', () => clearInterval(flood));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const { status, text } = await postTo(new URL(`http://127.0.0.1:${port}/`), '{}', {});
  assert.deepEqual([status, text.length], [500, 2_048]);
  server.closeAllConnections();
  server.close();
});

test('a redirect is an answer, and leads nowhere', async () => {
  const receiver = await openReceiver();
  receiver.replies.push({ status: 307, headers: { location: 'http://169.254.169.254/' } });
  assert.equal((await postTo(new URL(receiver.url), '{}', {})).status, 307);
  assert.equal(receiver.got.length, 1);
  await receiver.close();
});

test('secrets are taken out of the environment, and a file is read each time', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'esteira-secret-'));
  const file = join(folder, 'pager');
  await writeFile(file, 'one\n');
  Object.assign(process.env, { ESTEIRA_SECRET_MAIL: 'smtp://x', ESTEIRA_SECRET_PAGER_FILE: file });
  const secrets = takeSecrets();
  assert.deepEqual(
    Object.keys(childEnvironment()).filter((name) => name.startsWith('ESTEIRA_SECRET_')),
    [],
  );
  assert.equal(await secretNamed(secrets, 'mail'), 'smtp://x');
  assert.equal(await secretNamed(secrets, 'pager'), 'one');
  await writeFile(file, 'two\n');
  assert.equal(await secretNamed(secrets, 'pager'), 'two');
  assert.equal(await secretNamed(secrets, 'other'), undefined);
  await rm(folder, { recursive: true });
});
