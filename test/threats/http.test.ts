/** Requests that are too large, too slow, too deep or in disguise, against the real server. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { publishSlots, publishVersion } from '../support/serving-model.ts';
import { inferBody, makePlace, post } from '../support/server.ts';
import type { Place } from '../support/server.ts';
import { ask, raw } from './http-raw.ts';
import type { Raw } from './http-raw.ts';
import { names } from './paths.ts';

let place: Place;
let server: Awaited<ReturnType<Place['start']>>;
let slow: Promise<Raw[]>;
before(async () => {
  place = await makePlace();
  await publishSlots(place.store, { champion: await publishVersion(place.store, 1, 1) });
  server = await place.start();
  slow = Promise.all(slowly.map(([, bytes, feed]) => raw(server.url, bytes(), feed)));
});
after(async () => {
  await server.child.kill();
  await place.remove();
});

const infer = '/v2/models/flights/infer';
const labels = '/models/flights/labels';
const good = JSON.stringify(inferBody(1));
const instead = (part: string, other: string) => {
  assert(good.includes(part));
  return good.replace(part, other);
};

/** What no answer may hold: where we run, how, and with what. */
const inside = [
  process.cwd(),
  '/tmp/',
  'node_modules',
  '    at ',
  '.ts:',
  'FST_',
  'SyntaxError',
  'RangeError',
];

async function refused(answer: Raw, statuses: readonly number[], says?: RegExp): Promise<void> {
  assert(statuses.includes(answer.status), `${answer.status} ${answer.body.slice(0, 500)}`);
  const text = answer.head + answer.body;
  for (const word of inside) assert(!text.includes(word), `${word} in ${text.slice(0, 500)}`);
  assert(text.length < 2_000, 'what was sent is not sent back');
  if (answer.body !== '')
    assert.deepEqual(Object.keys(JSON.parse(answer.body) as object), ['error'], answer.body);
  if (says) assert.match(answer.body, says);
  await answers();
}

/** It does, in bounded memory, and logs no error of its own making. */
async function answers(): Promise<void> {
  const { status, body } = await post(server.url + infer, inferBody(1));
  assert.deepEqual([status, body.model_version], [200, '1']);
  const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))!;
  assert(Number(kilobytes) < 1_200_000, `${kilobytes} kB resident`);
}

const deep = (open: string, close: string) => `${open.repeat(100_000)}1${close.repeat(100_000)}`;
const bodies: [string, () => string | Uint8Array, number[], RegExp?][] = [
  ['33 MB', () => `"${'x'.repeat(33 << 20)}"`, [413], /larger than 33554432 bytes/],
  ['lists in one another', () => deep('[', ']'), [400], /expected an object/],
  ['lists in one another, as a value', () => instead('0.5', deep('[', ']')), [400], /row 0 is/],
  ['objects in one another, as the id', () => instead('{', `{"id":${deep('{"a":', '}')},`), [400], /id is/],
  ['eight million lists', () => '['.repeat(8e6), [400], /not JSON/],
  [
    '300,000 tensors',
    () => JSON.stringify({ inputs: Array.from({ length: 3e5 }, (_, i) => ({ name: `x${i}` })) }),
    [400],
    /unknown/,
  ],
  ['a tensor with a name of a megabyte', () => instead('delay', 'x'.repeat(1e6)), [400], /unknown/],
  [
    'a million outputs that are one',
    () => instead('{', `{"outputs":[${Array(1e6).fill('{"name":"probability"}').join()}],`),
    [400],
    /twice/,
  ],
  ['a number of 100,000 digits', () => instead('0.5', '1'.repeat(1e5)), [400], /Infinity, expected a number/],
  ['a number beyond a double', () => instead('0.5', '1e400'), [400], /Infinity, expected a number/],
  ['not a number', () => instead('0.5', 'NaN'), [400], /not JSON/],
  [
    'a text of five megabytes',
    () => instead('"AA"', JSON.stringify('x'.repeat(5e6))),
    [400],
    /at most 65536 characters/,
  ],
  ['a shape of a billion rows', () => instead('[1]', '[1000000000]'), [413], /at most 10000/],
  ['a tensor named __proto__', () => instead('"delay"', '"__proto__"'), [400], /unknown/],
  ['a tensor named constructor', () => instead('"delay"', '"constructor"'), [400], /unknown/],
  [
    'an output named constructor',
    () => instead('{', '{"outputs":[{"name":"constructor"}],'),
    [400],
    /unknown/,
  ],
  ['inputs under __proto__', () => `{"__proto__":${good}}`, [400], /inputs is nothing/],
  [
    'a time under __proto__ that is wrong',
    () => instead('{', '{"parameters":{"time":"x","__proto__":1},'),
    [400],
    /time is/,
  ],
  ['bytes that are no UTF-8', () => Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), [400], /not UTF-8/],
  ['a parameter that is an object', () => instead('{', '{"parameters":{"__proto__":{"time":7}},'), [400]],
  ['nothing', () => '', [400]],
];
for (const [what, body, statuses, says] of bodies) {
  test(`a body is refused: ${what}`, { timeout: 240_000 }, async () => {
    await refused(await ask(server.url, 'POST', infer, body()), statuses, says);
  });
}

const protos: [string, string][] = [
  [
    'beside the inputs',
    instead('{', '{"__proto__":{"inputs":[],"id":7},"constructor":{"prototype":{"polluted":1}},'),
  ],
  ['in the parameters', instead('{', '{"parameters":{"__proto__":"time","constructor":1},')],
  [
    '200,000 keys that nobody asked for',
    instead('{', `{${Array.from({ length: 2e5 }, (_, i) => `"k${i}":1`).join()},`),
  ],
];
for (const [what, body] of protos) {
  test(`keys that mean nothing are passed over: ${what}`, async () => {
    assert.equal((await ask(server.url, 'POST', infer, body)).status, 200);
    await answers();
  });
}

test('labels are bounded, and their keys mean nothing', async () => {
  const long = JSON.stringify({ labels: [{ id: 'a', label: 'x'.repeat(1_001) }] });
  await refused(await ask(server.url, 'POST', labels, long), [400], /labels\.0\.label/);
  const many = JSON.stringify({ labels: Array.from({ length: 10_001 }, () => ({ id: 'a', label: 1 })) });
  await refused(await ask(server.url, 'POST', labels, many), [400], /labels/);
  const key = '{"labels":[{"id":"a","label":1,"__proto__":{"label":2}}]}';
  assert.equal((await ask(server.url, 'POST', labels, key)).status, 200);
});

const types = [
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'text/xml',
];
for (const type of [...types, 'application/octet-stream', 'application/jsonx', 'x', '']) {
  test(`a body is refused as ${type || 'nothing'}: a stranger's page could send it`, async () => {
    const headers = ['origin: https://stranger.example', ...(type === '' ? [] : [`content-type: ${type}`])];
    await refused(await ask(server.url, 'POST', infer, good, headers), [400, 415]);
    await refused(
      await ask(server.url, 'POST', labels, '{"labels":[{"id":"a","label":1}]}', headers),
      [400, 415],
    );
  });
}

test('a body is refused that is compressed', async () => {
  for (const encoding of ['gzip', 'deflate', 'br', 'gzip, gzip']) {
    const headers = ['content-type: application/json', `content-encoding: ${encoding}`];
    await refused(await ask(server.url, 'POST', infer, good, headers), [415], /not as/);
  }
});

test('no name of a model leads anywhere', { timeout: 480_000 }, async () => {
  for (const name of names) {
    for (const path of [
      encodeURIComponent(name),
      encodeURIComponent(encodeURIComponent(name)),
      name.replaceAll(/[\s\0]/g, ''),
    ]) {
      const ending = path === '' ? '' : `/${path}`;
      await refused(await ask(server.url, 'GET', `/v2/models${ending}`), [400, 404, 414, 431]);
      await refused(
        await ask(server.url, 'POST', `/v2/models${ending}/infer`, good),
        [400, 404, 405, 414, 431],
      );
      await refused(
        await ask(server.url, 'POST', `/models${ending}/labels`, good),
        [400, 404, 405, 414, 431],
      );
      if (/^[^?#]+$/.test(path))
        await refused(
          await ask(server.url, 'GET', `/v2/models/flights/versions/${path}`),
          [400, 404, 414, 431],
        );
    }
  }
});

test('no route takes a method that it was not made for', async () => {
  const routes = {
    GET: ['/v2', '/v2/health/live', '/v2/health/ready', '/metrics', '/v2/models/flights'],
    POST: [infer, labels],
  };
  for (const [made, paths] of Object.entries(routes)) {
    for (const path of paths) {
      for (const method of [
        'OPTIONS',
        'DELETE',
        'PUT',
        'PATCH',
        'TRACE',
        'PROPFIND',
        made === 'GET' ? 'POST' : 'GET',
      ]) {
        const answer = await ask(server.url, method, path, method === 'POST' ? good : undefined);
        assert([400, 404, 405].includes(answer.status), `${method} ${path}: ${answer.status}`);
      }
      const head = await ask(server.url, 'HEAD', path);
      assert.deepEqual([head.status, head.body], [made === 'GET' ? 200 : 405, ''], `HEAD ${path}`);
    }
  }
  await answers();
});

const start = `POST ${infer} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n`;
const wire: [string, () => string | Uint8Array, number[]][] = [
  ['100,000 headers', () => start + Array.from({ length: 1e5 }, (_, i) => `h${i}: 1\r\n`).join(''), [431]],
  ['a header of 100 kB', () => `${start}h: ${'x'.repeat(1e5)}\r\n\r\n`, [431]],
  ['an address of 100 kB', () => `GET /${'a'.repeat(1e5)} HTTP/1.1\r\n\r\n`, [431]],
  [
    'an address of 14 kB',
    () => `GET /${'a'.repeat(14e3)} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    [404],
  ],
  ['two lengths', () => `${start}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`, [400]],
  [
    'a length and chunks',
    () => `${start}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    [400],
  ],
  ['a negative length', () => `${start}content-length: -5\r\n\r\n`, [400]],
  [
    'a length of a terabyte',
    () => `${start}connection: close\r\ncontent-length: 1099511627776\r\n\r\n`,
    [413],
  ],
  ['a chunk of no size', () => `${start}transfer-encoding: chunked\r\n\r\nZZ\r\n`, [400]],
  ['a chunk of 2^64 bytes', () => `${start}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n`, [400]],
  [
    'chunks without end',
    () =>
      `${start}connection: close\r\ntransfer-encoding: chunked\r\n\r\n${`400\r\n${' '.repeat(1_024)}\r\n`.repeat(34_000)}`,
    [413],
  ],
  ['a header split in two', () => `${start}x: a\nb: c\r\n\r\n`, [400]],
  ['a method of nobody', () => 'BREW / HTTP/1.1\r\nhost: x\r\n\r\n', [400]],
  ['a tunnel', () => 'CONNECT 169.254.169.254:80 HTTP/1.1\r\nhost: x\r\n\r\n', [0, 400]],
  ['another protocol', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400]],
  ['bytes of anything', () => Uint8Array.of(0, 1, 2, 255, 13, 10, 13, 10), [400]],
];
for (const [what, bytes, statuses] of wire) {
  test(`a connection is refused with ${what}`, { timeout: 240_000 }, async () => {
    await refused(await raw(server.url, bytes()), statuses);
  });
}

/** Never complete. What is fed goes on until the server has had enough. */
const slowly: [string, () => string, (socket: Socket) => void][] = [
  ['headers, one at a time', () => start, (socket) => every(socket, 'x: 1\r\n')],
  ['headers that stop', () => start, () => {}],
  [
    'a body, a byte at a time',
    () => `${start}content-length: 1000000\r\n\r\n`,
    (socket) => every(socket, ' '),
  ],
  ['a body that stops', () => `${start}content-length: 100\r\n\r\n{`, () => {}],
  [
    'chunks of a byte',
    () => `${start}transfer-encoding: chunked\r\n\r\n`,
    (socket) => every(socket, '1\r\n \r\n'),
  ],
];
function every(socket: Socket, bytes: string): void {
  const timer = setInterval(() => socket.write(bytes), 200);
  socket.on('close', () => clearInterval(timer));
}

test('who sends slowly is given up, and others are served meanwhile', { timeout: 720_000 }, async () => {
  await answers();
  for (const [i, answer] of (await slow).entries()) {
    await refused(answer, [0, 408]);
    assert(answer.status === 408 || answer.head === '', slowly[i]![0]);
  }
});

test('after all of it the server has logged no error, and stored nothing but its own rows', async () => {
  assert.deepEqual(
    server.log.filter((line) => /"level":(50|60)/.test(line)),
    [],
  );
});
