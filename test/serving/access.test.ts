/** Who may ask: tokens by their hashes, signed tokens, TLS, how often, and the port of operators. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { credentials, loadPackageDefinition, Metadata } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { health } from '../../client/endpoint.ts';
import { publishSlots, publishVersion } from '../support/serving-model.ts';
import { inferBody, makePlace } from '../support/server.ts';
import type { Place } from '../support/server.ts';

let place: Place;
let tokensPath: string;
before(async () => {
  place = await makePlace();
  await publishSlots(place.store, { champion: await publishVersion(place.store, 1, 1) });
  tokensPath = join(place.root, 'tokens.json');
  const token = (name: string, scopes: string[], models?: string[]) => ({
    ...{ name, scopes, sha256: createHash('sha256').update(`secret-of-${name}`).digest('hex') },
    ...(models && { models }),
  });
  const tokens = [
    token('shop', ['predict']),
    token('other', ['predict'], ['orders']),
    token('operator', ['predict', 'admin']),
    token('watcher', ['admin']),
  ];
  await writeFile(tokensPath, JSON.stringify({ tokens }));
});
after(() => place.remove());

async function withServer(
  env: Record<string, string>,
  use: (server: Listening) => Promise<void>,
): Promise<void> {
  const server = await place.start('one', { env });
  try {
    await use(server);
  } finally {
    await server.child.kill();
  }
}
type Listening = Awaited<ReturnType<Place['start']>>;

const ask = (url: string, token: string | undefined, body: object) =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
const infer = (url: string, token?: string) => ask(`${url}/v2/models/flights/infer`, token, inferBody(1));
const get = (url: string, token?: string) =>
  fetch(url, { headers: token ? { authorization: `Bearer ${token}` } : {} });

test('a token opens what its scopes and models say, and health needs none', async () => {
  await withServer({ ESTEIRA_SERVING_TOKENS: tokensPath }, async ({ url }) => {
    const bare = await infer(url);
    assert.equal(bare.status, 401);
    assert.equal(bare.headers.get('www-authenticate'), 'Bearer');
    assert.match(await bare.text(), /a bearer token is needed/);
    assert.equal((await infer(url, 'guessed')).status, 401);
    assert.equal((await infer(url, 'secret-of-shop')).status, 200);
    const other = await infer(url, 'secret-of-other');
    assert.equal(other.status, 403);
    assert.match(await other.text(), /other may not ask model/);
    for (const path of ['/v2/health/live', '/v2/health/ready', '/ping'])
      assert.equal((await get(url + path)).status, 200, path);
    for (const path of ['/v2', '/v2/models/flights', '/nothing']) {
      assert.equal((await get(url + path)).status, 401, path);
      assert.notEqual((await get(url + path, 'secret-of-shop')).status, 401, path);
    }
    for (const path of ['/metrics', '/%6Detrics', '/metrics?x', '/v2/%72epository/index'])
      assert.notEqual((await get(url + path, 'secret-of-shop')).status, 200, path);
    assert.equal((await get(`${url}/%6Detrics`, 'secret-of-shop')).status, 403);
    const { inputs } = inferBody(1);
    const rows = { inputs: Object.fromEntries(inputs.map(({ name, data }) => [name, data])) };
    for (const path of ['/invocations', '/models/flights/invocations']) {
      assert.equal((await ask(url + path, 'secret-of-shop', rows)).status, 200, path);
      assert.equal((await ask(url + path, 'secret-of-other', rows)).status, 403, path);
    }
    assert.equal((await get(`${url}/metrics`, 'secret-of-shop')).status, 403);
    assert.equal((await get(`${url}/metrics`, 'secret-of-operator')).status, 200);
    const metrics = await (await get(`${url}/metrics`, 'secret-of-operator')).text();
    assert.match(metrics, /rejects_total\{reason="unauthenticated"\} [1-9]/);
    assert.match(metrics, /rejects_total\{reason="overload"\} 0/, 'from zero, so that it has a rate');
  });
});

test('a signed token is checked against its issuer’s keys', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const stranger = await generateKeyPair('ES256');
  const jwks = join(place.root, 'jwks.json');
  await writeFile(
    jwks,
    JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'one' }] }),
  );
  const sign = (
    key: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'],
    scope: string,
    audience = 'predictions',
    expires = '5m',
  ) => {
    const token = new SignJWT({ scope })
      .setProtectedHeader({ alg: 'ES256', kid: 'one' })
      .setSubject('ada')
      .setIssuer('https://login.example')
      .setAudience(audience);
    if (expires !== 'never') token.setExpirationTime(expires);
    return token.sign(key);
  };
  const env = {
    ESTEIRA_SERVING_JWKS: jwks,
    ESTEIRA_SERVING_JWT_ISSUER: 'https://login.example',
    ESTEIRA_SERVING_JWT_AUDIENCE: 'predictions',
  };
  await withServer(env, async ({ url }) => {
    const good = await sign(privateKey, 'openid predict');
    assert.equal((await infer(url, good)).status, 200);
    assert.equal((await infer(url, good)).status, 200); // remembered
    assert.equal((await infer(url, await sign(privateKey, 'openid'))).status, 403);
    const wrong = [
      await sign(stranger.privateKey, 'predict'),
      await sign(privateKey, 'predict', 'elsewhere'),
      await sign(privateKey, 'predict', 'predictions', '-1m'),
      await sign(privateKey, 'predict', 'predictions', 'never'),
      `${good.slice(0, -4)}AAAA`,
    ];
    for (const token of wrong) assert.equal((await infer(url, token)).status, 401);
  });
});

test('over TLS, by HTTP and gRPC; a client without a token is told so there too', async () => {
  const [cert, key] = [join(place.root, 'cert.pem'), join(place.root, 'key.pem')];
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'],
      ...[
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=DNS:localhost,IP:127.0.0.1',
        '-keyout',
        key,
        '-out',
        cert,
      ],
    ],
    { stdio: 'ignore' },
  );
  const env = {
    ESTEIRA_SERVING_TLS_CERT: cert,
    ESTEIRA_SERVING_TLS_KEY: key,
    ESTEIRA_SERVING_TOKENS: tokensPath,
    ESTEIRA_SERVING_GRPC_PORT: '0',
  };
  await withServer(env, async ({ url, event }) => {
    assert.match(url, /^https:/);
    assert.equal(await health(url), 200, 'as `esteira up` asks it, whoever signed its certificate');
    const ca = await readFile(cert);
    const status = await new Promise((resolve, reject) => {
      const headers = { authorization: 'Bearer secret-of-shop' };
      request(`${url}/v2/models/flights`, { ca, headers }, (answer) => resolve(answer.resume().statusCode))
        .on('error', reject)
        .end();
    });
    assert.equal(status, 200);
    const address = `localhost:${String(event['grpcPort'])}`;
    const metadata = (name: string) => ready(address, ca, name);
    assert.equal(await metadata('secret-of-shop'), 0);
    assert.equal(await metadata('guessed'), 16); // UNAUTHENTICATED
    assert.equal(await metadata('secret-of-other'), 7); // PERMISSION_DENIED
  });
});

/** @returns the status of a ModelReady call */
function ready(address: string, ca: Buffer, token: string): Promise<number> {
  const none = () => Buffer.from([10, 7, ...Buffer.from('flights')]); // name = 1
  const method = {
    ...{ path: '/inference.GRPCInferenceService/ModelReady', requestStream: false, responseStream: false },
    ...{ requestSerialize: none, responseDeserialize: (bytes: Buffer) => bytes },
    ...{ requestDeserialize: none, responseSerialize: none },
  };
  const Client = loadPackageDefinition({ Inference: { ModelReady: method } })['Inference'] as never as new (
    address: string,
    security: ReturnType<typeof credentials.createSsl>,
  ) => {
    ModelReady(request: object, metadata: Metadata, done: (error: ServiceError | null) => void): void;
    close(): void;
  };
  const client = new Client(address, credentials.createSsl(ca));
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  return new Promise((resolve) => {
    client.ModelReady({}, metadata, (error) => {
      client.close();
      resolve(error?.code ?? 0);
    });
  });
}

test('a client that asks too often is told when to come again', async () => {
  await withServer({ ESTEIRA_SERVING_RATE: '3' }, async ({ url }) => {
    const statuses = await Promise.all(Array.from({ length: 12 }, async () => (await infer(url)).status));
    const taken = statuses.filter((status) => status === 200).length;
    assert(taken >= 3 && taken < 12, statuses.join());
    const late = await infer(url);
    if (late.status === 429) assert(Number(late.headers.get('retry-after')) >= 1);
  });
});

test('metrics may have a port of their own, and then are nowhere else', async () => {
  await withServer({ ESTEIRA_SERVING_MANAGEMENT_PORT: '0' }, async ({ url, event }) => {
    assert.equal((await get(`${url}/metrics`)).status, 404);
    const management = String(event['managementUrl']);
    assert.match(await (await get(`${management}/metrics`)).text(), /esteira_serving_ready 1/);
    assert.equal((await get(`${management}/v2/health/ready`)).status, 200);
    assert.equal((await get(`${management}/v2`)).status, 404);
  });
  const env = { ESTEIRA_SERVING_MANAGEMENT_PORT: '0', ESTEIRA_SERVING_TOKENS: tokensPath };
  await withServer(env, async ({ url }) => {
    const missed = await get(`${url}/metrics`, 'secret-of-watcher');
    assert.equal(missed.status, 404, 'not a scope that would not help');
    assert.match(await missed.text(), /there is nothing at \/metrics/);
  });
});

test('requests are noted when asked, without what was in them', async () => {
  await withServer({ ESTEIRA_SERVING_ACCESS_LOG: 'on', LOG_LEVEL: 'info' }, async ({ url, log }) => {
    await infer(url);
    await get(`${url}/v2/models/nobody?secret=1`);
    while (log.filter((line) => line.includes('"msg":"request"')).length < 2)
      await new Promise((resolve) => setTimeout(resolve, 20));
    const noted = log.join('\n');
    assert.match(noted, /"method":"POST","path":"\/v2\/models\/flights\/infer","status":200/);
    assert.match(noted, /"path":"\/v2\/models\/nobody","status":404/);
    assert(!noted.includes('secret=1') && !noted.includes('"AA"'));
  });
});

test('settings of which one lacks another stop the start with a sentence', async () => {
  await assert.rejects(
    place.start('one', { env: { ESTEIRA_SERVING_TLS_CERT: '/x.pem' } }),
    /ESTEIRA_SERVING_TLS_KEY is not set; TLS needs a certificate and its key/,
  );
});

test('what is wrong with a file or a port stops the start with one sentence', async () => {
  const [none, text] = [join(place.root, 'none'), join(place.root, 'text')];
  await writeFile(text, 'no JSON, no PEM');
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const jwt = { ESTEIRA_SERVING_JWT_ISSUER: 'a', ESTEIRA_SERVING_JWT_AUDIENCE: 'b' };
  const wrong: [Record<string, string>, string[], RegExp][] = [
    [{ ESTEIRA_SERVING_TOKENS: none }, [], /none, which ESTEIRA_SERVING_TOKENS names, is not there$/],
    [{ ESTEIRA_SERVING_TOKENS: text }, [], /text, which ESTEIRA_SERVING_TOKENS names, is not JSON$/],
    [{ ...jwt, ESTEIRA_SERVING_JWKS: tokensPath }, [], /tokens.json is no JSON Web Key Set$/],
    [
      { ESTEIRA_SERVING_TLS_CERT: text, ESTEIRA_SERVING_TLS_KEY: text },
      [],
      /no certificate and its key, in PEM$/,
    ],
    [{}, ['--port', String(port)], /cannot listen at 127.0.0.1:\d+: something else listens there$/],
    [{}, ['--grpc-port', String(port)], /cannot listen at 127.0.0.1:\d+: something else listens there$/],
  ];
  for (const [env, args, sentence] of wrong) {
    const error = await place.start('one', { env, args }).then(
      () => assert.fail('it started'),
      (failure: Error) => failure.message.split('\n').filter((line) => line !== ''),
    );
    assert.match(error[1]!, sentence);
    assert.equal(error.length, 2, error.join('\n')); // the first one is the helper's own
  }
  taken.close();
});
