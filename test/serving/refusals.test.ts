/** What a server of files says no to, by HTTP and by gRPC, and that it goes on. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { status as codes } from '@grpc/grpc-js';
import { serveFiles, sumModel, tableModel } from '../support/files-server.ts';
import type { FilesServer } from '../support/files-server.ts';
import { grpcCaller } from '../support/grpc-client.ts';
import type { GrpcCaller } from '../support/grpc-client.ts';
import { post } from '../support/server.ts';
import { raw } from '../threats/http-raw.ts';

let server: FilesServer;
let grpc: GrpcCaller;
before(async () => {
  server = await serveFiles({ sum: sumModel(), table: tableModel() });
  grpc = grpcCaller(`127.0.0.1:${server.grpcPort}`);
});
after(async () => {
  grpc.close();
  await server.stop();
});

const x = { name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] };

test('the index of the repository is there, and loading is not', async () => {
  const { status, body } = await post(`${server.url}/v2/repository/index`, { ready: true });
  assert.equal(status, 200);
  const entry = (name: string) => ({ name, version: '1', state: 'READY', reason: '' });
  assert.deepEqual(body, [entry('sum'), entry('table')]);
  assert.equal((await post(`${server.url}/v2/repository/index`, '')).status, 200);
  for (const act of ['load', 'unload']) {
    const answer = await post(`${server.url}/v2/repository/models/sum/${act}`, {});
    assert.equal(answer.status, 501);
    assert.match(answer.body.error, /loaded and unloaded by their rollouts/);
  }
});

test('who asks for an answer in a microsecond gets 504', async () => {
  const { status, body } = await post(`${server.url}/v2/models/sum/infer`, {
    parameters: { timeout: 1 },
    inputs: [x],
  });
  assert.equal(status, 504);
  assert.match(body.error, /the deadline passed after \d+ ms in the queue/);
});

test('who comes when the queue is full gets 429, and a time to come again', async () => {
  const narrow = await serveFiles({ sum: sumModel() }, [], { ESTEIRA_SERVING_QUEUE_ROWS: '1' });
  try {
    const body = JSON.stringify({ inputs: [x] });
    const head = 'POST /v2/models/sum/infer HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
    const one = `${head}content-length: ${body.length}\r\n`;
    // In one packet, so that all have come before the first is run.
    const bytes = `${one}\r\n${body}${one}\r\n${body}${one}connection: close\r\n\r\n${body}`;
    const answer = await raw(narrow.url, bytes);
    assert.equal(answer.status, 200);
    assert.equal(answer.body.match(/HTTP\/1.1 429/g)?.length, 2);
    assert.match(answer.body, /retry-after: 1\r\n/i);
    assert.match(answer.body, /too many rows wait already: 1, some \d+ ms of work/);
    assert.equal((await post(`${narrow.url}/v2/models/sum/infer`, { inputs: [x] })).status, 200);
  } finally {
    await narrow.stop();
  }
});

const table = (b: string, id = 'a') =>
  `{"id":"${id}","inputs":[{"name":"a","datatype":"FP64","shape":[1],"data":[1]},{"name":"b","datatype":"BYTES","shape":[1],"data":["${b}"]}]}`;
const texts: [string, string, RegExp][] = [
  [
    'NUL in a text',
    table(String.raw`q\u0000z`),
    /"b" row 0 is .*, expected a string of at most 65536 characters, without NUL/,
  ],
  ['half a pair in a text', table(String.raw`q\ud800`), /"b" row 0 is .*half a surrogate pair/],
  ['NUL in an id', table('q', String.raw`a\u0000`), /id is .*without NUL/],
  ['half a pair in an id', table('q', String.raw`a\udfff`), /id is .*half a surrogate pair/],
];
for (const [what, body, sentence] of texts) {
  test(`what the log or the model could not hold is refused: ${what}`, async () => {
    const answer = await post(`${server.url}/v2/models/table/infer`, body);
    assert.equal(answer.status, 400);
    assert.match(answer.body.error, sentence);
  });
}

const given = (...numbers: number[]) => ({
  ...{ name: 'x', datatype: 'FP32', shape: [1, 2] },
  contents: { fp32_contents: numbers },
});
const sum = (change: object = {}) => ({ model_name: 'sum', inputs: [given(1, 2)], ...change });
const output = (parameter: string) => ({
  outputs: [{ name: 'y', parameters: { [parameter]: { string_param: '1' } } }],
});
const refused: [string, object, keyof typeof codes, RegExp][] = [
  [
    'a model that is not here',
    sum({ model_name: 'nobody' }),
    'NOT_FOUND',
    /"nobody" is not served here; served: sum, table/,
  ],
  [
    'a version that is not here',
    sum({ model_version: '9' }),
    'NOT_FOUND',
    /version 9 .* is not loaded; loaded: 1/,
  ],
  ['too few values', sum({ inputs: [given(1)] }), 'INVALID_ARGUMENT', /"x" has 1 values, its shape says 2/],
  [
    'another datatype',
    sum({ inputs: [{ ...given(1, 2), datatype: 'FP64' }] }),
    'INVALID_ARGUMENT',
    /expected "FP32"/,
  ],
  [
    'a strange input',
    sum({ inputs: [{ ...given(1, 2), name: 'z' }] }),
    'INVALID_ARGUMENT',
    /input "z" is unknown/,
  ],
  ['an input twice', sum({ inputs: [given(1, 2), given(1, 2)] }), 'INVALID_ARGUMENT', /given twice/],
  [
    'bytes and contents',
    sum({ raw_input_contents: [Buffer.alloc(8)] }),
    'INVALID_ARGUMENT',
    /both contents and raw/,
  ],
  ['a parameter without a value', sum({ parameters: { key: {} } }), 'INVALID_ARGUMENT', /"key" has no value/],
  ['classification', sum(output('classification')), 'UNIMPLEMENTED', /by classification/],
  ['an output in shared memory', sum(output('shared_memory_region')), 'UNIMPLEMENTED', /in shared memory/],
  [
    'an input in shared memory',
    sum({ inputs: [{ ...given(1, 2), parameters: { shared_memory_region: { string_param: 'r' } } }] }),
    'UNIMPLEMENTED',
    /in shared memory/,
  ],
  ['a sequence', sum({ parameters: { sequence_id: { int64_param: 1 } } }), 'UNIMPLEMENTED', /stateful/],
  [
    'a microsecond',
    sum({ parameters: { timeout: { int64_param: 1 } } }),
    'DEADLINE_EXCEEDED',
    /the deadline passed/,
  ],
];
for (const [what, request, code, sentence] of refused) {
  test(`gRPC refuses ${what} with ${code}`, async () => {
    const answer = await grpc.call('ModelInfer', request);
    assert.equal(answer.code, codes[code], answer.details);
    assert.match(answer.details, sentence);
  });
}

test('gRPC outlives messages that are too large, or none', async () => {
  const large = await grpc.send('ModelInfer', Buffer.alloc(33 << 20));
  assert.equal(large.code, codes.RESOURCE_EXHAUSTED);
  assert.equal((await grpc.send('ModelInfer', Buffer.from([255, 255, 255]))).code, codes.INTERNAL);
  const { code, body } = await grpc.call('ModelInfer', sum());
  assert.equal(code, 0);
  assert.deepEqual(body.outputs[0].contents.fp32_contents, [3]);
});
