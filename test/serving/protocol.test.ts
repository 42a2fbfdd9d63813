/** The protocol against the real server: what it answers, and how it says no. */
import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { after, before, test } from 'node:test';
import { ReplicaStatus } from '../../contracts/serving.ts';
import { readJson } from '../../infra/store/json.ts';
import { version } from '../../infra/version.ts';
import { publishSlots, publishVersion } from '../support/serving-model.ts';
import { inferBody, makePlace, post } from '../support/server.ts';
import type { Place } from '../support/server.ts';

let place: Place;
let server: Awaited<ReturnType<Place['start']>>;
let infer: string;
before(async () => {
  place = await makePlace();
  await publishSlots(place.store, { champion: await publishVersion(place.store, 1, 1) });
  server = await place.start();
  infer = `${server.url}/v2/models/flights/infer`;
});
after(async () => {
  await server.child.kill();
  await place.remove();
});

const get = async (path: string) => {
  const response = await fetch(server.url + path);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

test('health and metadata are as the specification has them', async () => {
  assert.deepEqual(await get('/v2/health/live'), { status: 200, body: { live: true } });
  assert.deepEqual(await get('/v2/health/ready'), { status: 200, body: { ready: true } });
  assert.deepEqual(await get('/v2'), {
    status: 200,
    body: { name: 'esteira', version, extensions: ['binary_tensor_data', 'parameters'] },
  });
  assert.deepEqual(await get('/v2/models/flights/ready'), {
    status: 200,
    body: { name: 'flights', ready: true },
  });
  const { body } = await get('/v2/models/flights/versions/1');
  assert.equal(body['platform'], 'onnx_onnxv1');
  assert.deepEqual(body['versions'], ['1']);
  assert.deepEqual(body['outputs'], [{ name: 'probability', datatype: 'FP32', shape: [-1] }]);
});

test('an inference gives each row its probability, and echoes the id', async () => {
  const { status, body } = await post(infer, inferBody(2, { id: 'q1', parameters: { key: 'ada' } }));
  assert.equal(status, 200);
  assert.equal(body.id, 'q1');
  assert.equal(body.model_version, '1');
  assert.deepEqual(body.outputs[0].shape, [2]);
  for (const value of body.outputs[0].data) assert(Math.abs(value - 1 / (1 + Math.exp(-1.5))) < 1e-6);
});

test('metrics and the replica note count it', { timeout: 80_000 }, async () => {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(text, /esteira_serving_rows_total\{model="flights",version="1"\} [1-9]/);
  const found = await readJson(place.store, 'replicas/one.json', ReplicaStatus);
  assert.equal(found?.value.models['flights']?.epoch, 1);
  assert.deepEqual(found?.value.models['flights']?.loaded, [1]);
});

const [delay, carrier, cargo, at] = inferBody(1).inputs;
const refused: [string, unknown, RegExp][] = [
  ['a body that is not JSON', '{"inputs": [', /is not JSON/],
  ['a body that is a list', [], /the request is \[\], expected an object/],
  ['no inputs', {}, /inputs is nothing, expected an array/],
  ['a missing tensor', { inputs: [delay, carrier, cargo] }, /input "at" is missing/],
  ['a tensor twice', { inputs: [delay, delay, carrier, cargo, at] }, /input "delay" is given twice/],
  [
    'an unknown tensor',
    { inputs: [{ ...delay, name: 'dealy' }] },
    /input "dealy" is unknown; the model takes "delay"/,
  ],
  [
    'another datatype',
    { inputs: [{ ...delay, datatype: 'FP32' }] },
    /"delay" has datatype "FP32", expected "FP64"/,
  ],
  ['another rank', { inputs: [{ ...delay, shape: [1, 1] }] }, /"delay" has shape \[1,1\], expected \[rows\]/],
  ['a negative dimension', { inputs: [{ ...delay, shape: [-1] }] }, /shape \[-1\]/],
  [
    'fewer values than the shape says',
    { inputs: [{ ...delay, shape: [2] }] },
    /has 1 values, its shape says 2/,
  ],
  [
    'text for a number',
    { inputs: [{ ...delay, data: ['1'] }] },
    /"delay" row 0 is "1", expected a number or null/,
  ],
  [
    'a number for text',
    { inputs: [delay, { ...carrier, data: [1] }] },
    /"carrier" row 0 is 1, expected a string/,
  ],
  [
    'null where none may be',
    { inputs: [delay, carrier, { ...cargo, data: [null] }] },
    /"cargo" row 0 is null/,
  ],
  [
    'unequal rows',
    { inputs: [delay, { ...carrier, shape: [2], data: ['', ''] }] },
    /has 2 rows, the inputs before/,
  ],
  ['an unknown output', inferBody(1, { outputs: [{ name: 'no' }] }), /output "no" is unknown/],
  ['a bad time', inferBody(1, { parameters: { time: 'today' } }), /time is "today", expected ISO 8601/],
  ['a number as id', inferBody(1, { id: 7 }), /id is 7, expected a string/],
];
for (const [what, body, sentence] of refused) {
  test(`${what} is refused with a sentence`, async () => {
    const answer = await post(infer, body);
    assert.equal(answer.status, 400);
    assert.deepEqual(Object.keys(answer.body), ['error']);
    assert.match(answer.body.error, sentence);
  });
}

test('what is not there is 404, a wrong method 405, too large a body 413', async () => {
  assert.match(
    String((await get('/v2/models/nobody')).body['error']),
    /model "nobody" is not served here; served: flights/,
  );
  assert.equal((await post(`${server.url}/v2/models/flights/versions/9/infer`, inferBody(1))).status, 404);
  assert.equal((await get('/v2/nothing')).status, 404);
  const wrong = await fetch(infer);
  assert.equal(wrong.status, 405);
  assert.equal(wrong.headers.get('allow'), 'POST');
  assert.equal((await post(infer, `"${'x'.repeat(33 << 20)}"`)).status, 413);
  assert.equal((await post(infer, inferBody(10_001))).status, 413);
});

test('a refusal keeps the connection, and a null is a missing value, not a zero', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set<number | undefined>();
  const send = (body: string) =>
    new Promise<number>((resolve, reject) => {
      const sent = request(
        infer,
        { agent, method: 'POST', headers: { 'content-type': 'application/json' } },
        (response) => {
          ports.add(response.socket.localPort);
          response.resume().on('end', () => resolve(response.statusCode!));
        },
      );
      sent.on('error', reject).end(body);
    });
  assert.equal(await send('{'), 400);
  assert.equal(await send(JSON.stringify(inferBody(1))), 200);
  const inputs = [{ ...delay, data: [null] }, carrier, cargo, at];
  assert.equal(await send(JSON.stringify({ inputs })), 500); // this model answers NaN to NaN, and says so
  assert.equal(await send(JSON.stringify(inferBody(1))), 200);
  assert.equal(ports.size, 1);
  agent.destroy();
});
