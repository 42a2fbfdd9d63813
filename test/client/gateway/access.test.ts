/** Who may come in: every way to prove it, what goes wrong with each, and what each caller may do. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { sha256 } from '../../../infra/digest.ts';
import { cloudEvent, get, makeGatewayPlace, send } from '../../support/gateway.ts';
import type { GatewayPlace, Started } from '../../support/gateway.ts';

let place: GatewayPlace;
let gateway: Started;
let key: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
const signing = `whsec_${Buffer.from('a secret of twenty-four b').toString('base64')}`;
const forge = 'a-secret-of-the-forge';

const settings = (more = '') => `
jwt: { jwks: keys.json, issuer: https://id.example.org, audience: esteira }
callers:
  plant: { proof: { by: token, sha256: ${sha256('plant-token')} }, may: [events, data], sources: ['plant*'] }
  boss: { proof: { by: token, sha256: ${sha256('boss-token')} }, may: [events, read, admin, trigger], models: [flights] }
  hooks: { proof: { by: standard-webhooks, secret: { env: HOOKS_SECRET } }, may: [events] }
  forge: { proof: { by: github, secret: { file: forge.secret } }, may: [events] }
  lab: { proof: { by: gitlab, secret: { file: forge.secret } }, may: [events] }
  people: { proof: { by: jwt, subject: '*' }, may: [read, approve] }
${more}`;

before(async () => {
  place = await makeGatewayPlace();
  const pair = await generateKeyPair('ES256');
  key = pair.privateKey;
  const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'one', alg: 'ES256' };
  await writeFile(join(place.root, 'keys.json'), JSON.stringify({ keys: [jwk] }));
  await writeFile(join(place.root, 'forge.secret'), `${forge}\n`);
  gateway = await started('gateway.yaml', settings());
});
after(async () => {
  await gateway.child.kill();
  await place.remove();
});

async function started(name: string, text: string, args: string[] = []): Promise<Started> {
  const path = join(place.root, name);
  await writeFile(path, text);
  return place.start({ args: ['--config', path, ...args], env: { HOOKS_SECRET: signing } });
}

const body = JSON.stringify({ specversion: '1.0', id: '1', source: 'plant/7', type: 't' });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const post = (query: string, headers: Record<string, string>, text = body) =>
  send(`${gateway.url}/events${query}`, text, { 'content-type': cloudEvent, ...headers });

async function refused(status: number, sentence: RegExp, answer: ReturnType<typeof send>): Promise<void> {
  const { status: got, body: said } = await answer;
  assert.equal(got, status, JSON.stringify(said));
  assert.match(said.error, sentence);
}

test('a token is known by its hash, and opens what its caller may', async () => {
  assert.equal((await post('', bearer('plant-token'))).status, 202);
  await refused(401, /say who asks/, post('', {}));
  await refused(401, /not known here/, post('', bearer('another')));
  await refused(
    403,
    /may not speak for the source yard/,
    post('', bearer('plant-token'), body.replace('plant/7', 'yard')),
  );
  await refused(
    403,
    /plant may not do this; it needs "read"/,
    get(`${gateway.url}/events?source=s&id=1`, bearer('plant-token')),
  );
  await refused(
    403,
    /may not ask of model "other"/,
    get(`${gateway.url}/models/other`, bearer('boss-token')),
  );
  await refused(403, /needs "labels"/, send(`${gateway.url}/labels?model=flights`, [], bearer('boss-token')));
});

test("ids are of their caller: nobody uses up another's", async () => {
  const asked = body.replace('"1"', '"shared"');
  assert.equal((await post('', bearer('plant-token'), asked)).status, 202);
  assert.equal((await post('', bearer('boss-token'), asked.replace('"t"', '"other"'))).status, 202);
  // Each told again is the same, and told otherwise is not.
  assert.equal((await post('', bearer('plant-token'), asked)).status, 200);
  assert.equal((await post('', bearer('boss-token'), asked.replace('"t"', '"other"'))).status, 200);
  assert.equal((await post('', bearer('boss-token'), asked)).status, 409);
  const seen = (more: string) =>
    get(`${gateway.url}/events?source=plant/7&id=shared${more}`, bearer('boss-token'));
  assert.equal((await seen('')).status, 200);
  assert.equal((await seen('&sender=plant')).status, 200);
});

const sign = (text: string, { id = 'msg_1', at = Date.now() } = {}) => {
  const timestamp = String(Math.floor(at / 1_000));
  const secret = Buffer.from(signing.slice('whsec_'.length), 'base64');
  const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${text}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,AAAA v1,${signature}` };
};

test('Standard Webhooks: a signature over id, time and body, within five minutes', async () => {
  assert.equal((await post('?caller=hooks', sign(body))).status, 202);
  await refused(401, /webhook-signature does not hold/, post('?caller=hooks', sign('another body')));
  await refused(401, /more than 5 minutes/, post('?caller=hooks', sign(body, { at: Date.now() - 301_000 })));
  await refused(401, /more than 5 minutes/, post('?caller=hooks', sign(body, { at: Date.now() + 301_000 })));
  await refused(401, /webhook-id is missing/, post('?caller=hooks', {}));
  await refused(401, /say who asks/, post('?caller=nobody', sign(body)));
  const plain = JSON.stringify({ type: 'invoice.paid', timestamp: '2026-01-01T00:00:00Z', data: { n: 1 } });
  const sent = await post(
    '?caller=hooks',
    { ...sign(plain, { id: 'msg_2' }), 'content-type': 'application/json' },
    plain,
  );
  assert.deepEqual([sent.status, sent.body.id, sent.body.source], [202, 'msg_2', 'hooks']);
});

test('forges: the signature of one, the token of the other', async () => {
  const push = JSON.stringify({
    ref: 'refs/heads/main',
    after: 'c0ffee',
    repository: { html_url: 'https://github.com/a/b' },
    commits: [],
  });
  const headers = { 'x-github-event': 'push', 'content-type': 'application/json' };
  const signature = `sha256=${createHmac('sha256', forge).update(push).digest('hex')}`;
  assert.equal(
    (await post('?caller=forge', { ...headers, 'x-hub-signature-256': signature }, push)).status,
    202,
  );
  await refused(
    401,
    /does not hold/,
    post('?caller=forge', { ...headers, 'x-hub-signature-256': signature }, `${push} `),
  );
  await refused(401, /x-hub-signature-256 is missing/, post('?caller=forge', headers, push));
  assert.equal((await post('?caller=lab', { 'x-gitlab-token': forge }, body)).status, 202);
  await refused(
    401,
    /x-gitlab-token does not hold/,
    post('?caller=lab', { 'x-gitlab-token': `${forge}!` }, body),
  );
});

test('a signed token holds for its issuer, its audience and its time, and its subject is who asks', async () => {
  const token = (claims: { iss?: string; aud?: string; exp?: string; sub?: string } = {}) =>
    new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', kid: 'one' })
      .setIssuer(claims.iss ?? 'https://id.example.org')
      .setAudience(claims.aud ?? 'esteira')
      .setSubject(claims.sub ?? 'ada@example.org')
      .setExpirationTime(claims.exp ?? '5m')
      .sign(key);
  const ask = async (claims = {}) => get(`${gateway.url}/listeners`, bearer(await token(claims)));
  assert.equal((await ask()).status, 200);
  await refused(401, /the token is not valid/, ask({ iss: 'https://evil.example' }));
  await refused(401, /the token is not valid/, ask({ aud: 'another' }));
  await refused(401, /has expired/, ask({ exp: '-1m' }));
  const approve = async (by: string) =>
    send(`${gateway.url}/approvals/flights/1/approve`, { reason: 'good', by }, bearer(await token()));
  await refused(403, /ada@example.org may not sign as bob/, approve('bob'));
  await refused(503, /Temporal server does not answer/, approve('ada@example.org'));
});

test('a client certificate, of somebody who is vouched for', async () => {
  const at = (name: string) => join(place.root, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe', cwd: place.root });
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1'];
  for (const who of ['server', 'ca', 'stranger'])
    openssl(
      'req',
      '-x509',
      ...ec,
      '-keyout',
      `${who}.key`,
      '-out',
      `${who}.pem`,
      '-subj',
      `/CN=${who}`,
      ...names,
    );
  openssl(
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-keyout',
    'm.key',
    '-out',
    'm.csr',
    '-subj',
    '/CN=machine-7',
  );
  openssl(
    'x509',
    '-req',
    '-in',
    'm.csr',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-out',
    'm.pem',
    '-days',
    '2',
  );
  const secure = await started(
    'tls.yaml',
    `tls: { cert: server.pem, key: server.key, clientCa: ca.pem }\ncallers:\n  machine: { proof: { by: certificate, commonName: machine-7 }, may: [read] }\n`,
  );
  const { readFile } = await import('node:fs/promises');
  const ask = async (who?: string) => {
    const pem = who && { cert: await readFile(at(`${who}.pem`)), key: await readFile(at(`${who}.key`)) };
    return new Promise<number>((resolve, reject) => {
      request(`${secure.url}/listeners`, { ...pem, rejectUnauthorized: false, agent: false }, (answer) => {
        answer.resume();
        resolve(answer.statusCode!);
      })
        .on('error', reject)
        .end();
    });
  };
  try {
    assert.equal(await ask('m'), 200);
    assert.equal(await ask(), 401);
    assert.equal(await ask('stranger'), 401);
  } finally {
    await secure.child.kill();
  }
});

test('whatever is not meant for all asks who it is, by every method that it has', async () => {
  const { body: document } = await get(`${gateway.url}/openapi.json`);
  const open = ['/health/live', '/health/ready'];
  for (const [path, methods] of Object.entries(document.paths as Record<string, object>)) {
    const url = `${gateway.url}${path.replaceAll(/\{[a-z]+\}/g, '1')}`;
    for (const method of Object.keys(methods).flatMap((one) =>
      one === 'get' ? ['GET', 'HEAD'] : ['POST'],
    )) {
      const { status } = await fetch(url, { method, ...(method === 'POST' && { body: '{}' }) });
      if (open.includes(path)) assert.notEqual(status, 401, `${method} ${path}`);
      else assert.equal(status, 401, `${method} ${path}`);
    }
  }
});

test('who asks too often is told when to ask again', async () => {
  const slow = await started('slow.yaml', settings('rate: 2\n'));
  const ask = () => get(`${slow.url}/listeners`, bearer('boss-token'));
  const answers = await Promise.all([ask(), ask(), ask(), ask()]);
  const last = answers.find(({ status }) => status === 429);
  assert.match(last?.body.error, /2 requests a second are taken of one client/);
  assert.equal(last?.headers.get('retry-after'), '1');
  await slow.child.kill();
});

test('settings that are wrong stop the start with the line to mend', async () => {
  const fails = async (text: string, sentence: RegExp, args: string[] = []) =>
    assert.rejects(started('wrong.yaml', text, args), (error: Error) => {
      assert.match(error.message, sentence);
      return true;
    });
  await fails(
    'callers:\n  a: { proof: { by: token, sha256: abc }, may: [events] }\n',
    /wrong\.yaml:2:\d+: .*sha256/,
  );
  await fails('calers: {}\n', /wrong\.yaml:1:1: .*calers.*unknown field/);
  await fails(
    'callers:\n  a: { proof: { by: github, secret: { env: NOBODYS } }, may: [events] }\n',
    /NOBODYS, the secret of a, is not set/,
  );
  await fails(
    "callers:\n  a: { proof: { by: jwt, subject: '*' }, may: [read] }\n",
    /jwt does not say who issues/,
  );
  await assert.rejects(place.start({ args: ['--host', '0.0.0.0'] }), /say in --config <file> who may/);
});
