/** Every datatype, as JSON and as bytes, through a model that gives back what it gets. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Datatype } from '../../contracts/serving.ts';
import { mirrorModel, serveFiles, sumModel } from '../support/files-server.ts';
import type { FilesServer } from '../support/files-server.ts';

/** Two rows of three, as JSON text, at the ends of what each can hold. */
const values: Partial<Record<Datatype, string[]>> = {
  BOOL: ['true', 'false', 'true', 'false', 'false', 'true'],
  UINT8: ['0', '1', '255', '3', '4', '5'],
  UINT16: ['0', '1', '65535', '3', '4', '5'],
  UINT32: ['0', '1', '4294967295', '3', '4', '5'],
  UINT64: ['0', '1', '18446744073709551615', '9007199254740993', '4', '5'],
  INT8: ['-128', '127', '0', '3', '4', '5'],
  INT16: ['-32768', '32767', '0', '3', '4', '5'],
  INT32: ['-2147483648', '2147483647', '0', '3', '4', '5'],
  INT64: ['-9223372036854775808', '9223372036854775807', '9007199254740993', '-1', '4', '5'],
  FP32: ['0', '-1.5', '3.4028234663852886e+38', '0.25', '4', '5'],
  FP64: ['0', '-1.5', '1.7976931348623157e+308', '0.1', '5e-324', '5'],
  BYTES: ['""', '"a"', '"Zürich 🎉"', String.raw`"\"\\\n"`, '"4"', '"five"'],
};

let server: FilesServer;
before(async () => {
  const one = Object.fromEntries(
    Object.keys(values).map((datatype) => [datatype, mirrorModel([datatype as Datatype])]),
  );
  server = await serveFiles({ ...one, all: mirrorModel(), sum: sumModel() });
});
after(() => server.stop());

for (const [datatype, texts] of Object.entries(values)) {
  test(`${datatype} comes back as it went, flat and nested`, async () => {
    const [a, b] = [texts.slice(0, 3).join(','), texts.slice(3).join(',')];
    for (const data of [`[${a},${b}]`, `[[${a}],[${b}]]`]) {
      const tensor = `{"name":"in_${datatype}","datatype":"${datatype}","shape":[2,3],"data":${data}}`;
      const text = await ask(datatype, `{"inputs":[${tensor}]}`);
      assert.equal(/"data":\[(.*)\]}]}$/.exec(text)?.[1], `${a},${b}`, text);
    }
  });
}

const wrong: [string, string, RegExp][] = [
  ['BOOL', '1', /row 0 value 1 is 1, expected true or false/],
  ['UINT8', '256', /expected an integer from 0 to 255/],
  ['UINT8', '-1', /expected an integer from 0 to 255/],
  ['INT8', '1.5', /expected an integer from -128 to 127/],
  ['INT32', '2147483648', /expected an integer of 32 bits/],
  ['INT64', '9223372036854775808', /expected an integer of 64 bits/],
  ['INT64', '1e300', /expected an integer of 64 bits/],
  ['INT64', '"7"', /is "7", expected an integer/],
  ['UINT64', '-1', /is -1, expected an integer of 64 bits from 0/],
  ['FP32', '3.5e38', /expected a number of 32 bits/],
  ['FP64', '"1"', /is "1", expected a number/],
  ['BYTES', '1', /is 1, expected a string/],
  ['BYTES', 'null', /is null, expected a string/],
];
for (const [datatype, element, sentence] of wrong) {
  test(`${datatype} is no place for ${element}`, async () => {
    const good = values[datatype as Datatype]![0];
    const tensor = `{"name":"in_${datatype}","datatype":"${datatype}","shape":[1,3],"data":[${good},${element},${good}]}`;
    const { error } = JSON.parse(await ask(datatype, `{"inputs":[${tensor}]}`, 400)) as { error: string };
    assert.match(error, sentence);
    assert.match(error, new RegExp(`input "in_${datatype}"`));
  });
}

test('data nested otherwise than the shape says is refused', async () => {
  for (const data of [
    '[[1,2],[3,4,5,6]]',
    '[[1,2,3]]',
    '[[[1],[2],[3]],[4,5,6]]',
    '[1,2,3,4,5]',
    '[[1,2,3],7]',
  ]) {
    const tensor = `{"name":"in_FP64","datatype":"FP64","shape":[2,3],"data":${data}}`;
    await ask('FP64', `{"inputs":[${tensor}]}`, 400);
  }
});

test('numbers that JSON has no word for are null where they may be, and refused as answers', async () => {
  const x = (data: string) => `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":${data}}]}`;
  assert.match(await ask('sum', x('[null,1]'), 500), /output \\"y\\" of row 0 is NaN/);
  assert.match(await ask('sum', x('[3e38,3e38]'), 500), /is Infinity/);
  const asked = x('[null,1]').replace('{', '{"outputs":[{"name":"y","parameters":{"binary_data":true}}],');
  const { tail } = await askBinary('sum', asked, Buffer.alloc(0));
  assert(Number.isNaN(tail.readFloatLE(0)));
});

test('all datatypes together as bytes, in another order than the model has them', async () => {
  const kinds: [Datatype, Buffer][] = [
    ['BYTES', texts('', 'a', 'Zürich 🎉', '\n', '4', 'five')],
    ['FP64', Buffer.from(Float64Array.of(1, -0, Infinity, NaN, 5e-324, 6).buffer)],
    ['FP16', Buffer.from(Uint16Array.of(0, 0x3c00, 0x7bff, 0x7c00, 1, 2).buffer)],
    ['FP32', Buffer.from(Float32Array.of(1, -0, Infinity, NaN, 5, 6).buffer)],
    ['INT64', Buffer.from(BigInt64Array.of(1n, -(2n ** 63n), 2n ** 63n - 1n, 4n, 5n, 6n).buffer)],
    ['INT32', Buffer.from(Int32Array.of(1, 2, 3, 4, 5, -(2 ** 31)).buffer)],
    ['INT16', Buffer.from(Int16Array.of(1, 2, 3, 4, 5, -32_768).buffer)],
    ['INT8', Buffer.from(Int8Array.of(1, 2, 3, 4, 5, -128).buffer)],
    ['UINT64', Buffer.from(BigUint64Array.of(1n, 2n ** 64n - 1n, 3n, 4n, 5n, 6n).buffer)],
    ['UINT32', Buffer.from(Uint32Array.of(1, 2 ** 32 - 1, 3, 4, 5, 6).buffer)],
    ['UINT16', Buffer.from(Uint16Array.of(1, 65_535, 3, 4, 5, 6).buffer)],
    ['UINT8', Buffer.from(Uint8Array.of(1, 255, 3, 4, 5, 6).buffer)],
    ['BOOL', Buffer.from(Uint8Array.of(1, 0, 1, 0, 0, 1).buffer)],
  ];
  const inputs = kinds.map(([datatype, bytes]) => ({
    ...{ name: `in_${datatype}`, datatype, shape: [2, 3], parameters: { binary_data_size: bytes.length } },
  }));
  const outputs = kinds.map(([datatype]) => ({ name: `out_${datatype}` }));
  const body = JSON.stringify({ inputs, outputs, parameters: { binary_data_output: true } });
  const { head, tail } = await askBinary('all', body, Buffer.concat(kinds.map(([, bytes]) => bytes)));
  assert.deepEqual(
    head.outputs.map(({ name }) => name),
    outputs.map(({ name }) => name),
  );
  assert(tail.equals(Buffer.concat(kinds.map(([, bytes]) => bytes))));
});

test('JSON and bytes may be mixed, in what comes and in what goes', async () => {
  const models = ['INT8', 'FP32'] as const;
  const mixed = await serveFiles({ two: mirrorModel(models) });
  try {
    const bytes = Buffer.from(Float32Array.of(1, 2, 3).buffer);
    const body = JSON.stringify({
      inputs: [
        { name: 'in_INT8', datatype: 'INT8', shape: [1, 3], data: [7, 8, 9] },
        { name: 'in_FP32', datatype: 'FP32', shape: [1, 3], parameters: { binary_data_size: 12 } },
      ],
      outputs: [{ name: 'out_INT8', parameters: { binary_data: true } }, { name: 'out_FP32' }],
    });
    const { head, tail } = await askBinary('two', body, bytes, mixed.url);
    assert.deepEqual([...tail], [7, 8, 9]);
    assert.deepEqual(head.outputs[1]!.data, [1, 2, 3]);
  } finally {
    await mixed.stop();
  }
});

test('a raw request is one tensor and no JSON, and so is its answer', async () => {
  const { head, tail } = await askBinary('sum', '', Buffer.from(Float32Array.of(1, 2).buffer));
  assert.equal(tail.readFloatLE(0), 3);
  assert.equal(head.outputs[0]!.name, 'y');
});

const odd: [string, string, Buffer, RegExp][] = [
  ['fewer bytes than they say', sized(12), Buffer.alloc(8), /only 8 bytes are left/],
  ['more bytes than anything names', sized(8), Buffer.alloc(12), /4 bytes follow the tensors/],
  ['bytes for another shape', sized(12), Buffer.alloc(12), /has 12 bytes, expected 8/],
  ['data and bytes', sized(8, '"data":[1,2],'), Buffer.alloc(8), /both data and binary_data_size/],
  ['a header longer than the body', `${' '.repeat(99)}`, Buffer.alloc(0), /is not JSON/],
];
for (const [what, json, bytes, sentence] of odd) {
  test(`${what} are refused`, async () => {
    const body = Buffer.concat([Buffer.from(json), bytes]);
    const response = await send('sum', body, { 'inference-header-content-length': String(json.length) });
    assert.equal(response.status, 400);
    assert.match(((await response.json()) as { error: string }).error, sentence);
  });
}

function sized(bytes: number, data = ''): string {
  return `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],${data}"parameters":{"binary_data_size":${bytes}}}]}`;
}

function texts(...all: string[]): Buffer {
  return Buffer.concat(
    all.flatMap((text) => {
      const bytes = Buffer.from(text);
      return [Buffer.from(Uint32Array.of(bytes.length).buffer), bytes];
    }),
  );
}

function send(model: string, body: string | Buffer, headers: Record<string, string>, url = server.url) {
  return fetch(`${url}/v2/models/${model}/infer`, {
    method: 'POST',
    headers,
    body: new Uint8Array(Buffer.from(body)),
  });
}

async function ask(model: string, body: string, status = 200): Promise<string> {
  const response = await send(model, body, { 'content-type': 'application/json' });
  const text = await response.text();
  assert.equal(response.status, status, text);
  return text;
}

interface Head {
  outputs: { name: string; data?: number[] }[];
}

async function askBinary(model: string, json: string, bytes: Buffer, url = server.url) {
  const head = Buffer.from(json);
  const headers = { 'inference-header-content-length': String(head.length) };
  const response = await send(model, Buffer.concat([head, bytes]), headers, url);
  const body = Buffer.from(await response.arrayBuffer());
  assert.equal(response.status, 200, body.toString());
  const length = Number(response.headers.get('inference-header-content-length'));
  return { head: JSON.parse(body.subarray(0, length).toString()) as Head, tail: body.subarray(length) };
}
