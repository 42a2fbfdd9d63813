/** Rows as MLflow's clients send them: the four shapes, what is refused, and by which words. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { classModel, mirrorModel, serveFiles, sumModel, tableModel } from '../support/files-server.ts';
import type { FilesServer } from '../support/files-server.ts';
import { millisecondsOf } from '../../infra/moment.ts';
import { post } from '../support/server.ts';

let server: FilesServer;
before(async () => {
  server = await serveFiles({
    ...{ table: tableModel(), sum: sumModel(), class: classModel() },
    ...{ long: mirrorModel(['INT64']), half: mirrorModel(['FP16']) },
  });
});
after(() => server.stop());

test('times are read as data frames write them, and without a zone in UTC', () => {
  const nine = Date.UTC(2001, 1, 1, 9);
  const written = ['01T09:00', '01 09:00:00', '01T09:00:00.000000', '01T09:00:00Z', '01T10:00:00+01:00'];
  for (const text of written) assert.equal(millisecondsOf(`2001-02-${text}`), nine, text);
  assert.equal(millisecondsOf('2001-02-01'), nine - 9 * 3_600_000);
  for (const text of ['', 'noon', '1', '2001-02-30T09:00', '2001-13-01', '02/01/2001', '2001-02-01T09'])
    assert.equal(millisecondsOf(text), undefined, text);
});

const invoke = (model: string, body: unknown) => post(`${server.url}/models/${model}/invocations`, body);

const twoRows = [
  { doubled: 2, same: 'x' },
  { doubled: 0, same: 'y' },
];
const tables: Record<string, unknown> = {
  dataframe_split: {
    columns: ['b', 'a'],
    index: [7, 8],
    data: [
      ['x', 1],
      ['y', null],
    ],
  },
  dataframe_records: [
    { a: 1, b: 'x' },
    { b: 'y', a: null },
  ],
  instances: [
    { a: 1, b: 'x' },
    { a: null, b: 'y' },
  ],
  inputs: { a: [1, null], b: ['x', 'y'] },
};
for (const [shape, rows] of Object.entries(tables)) {
  test(`a table is taken as ${shape}`, async () => {
    const { status, body } = await invoke('table', { [shape]: rows, params: null });
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(body.predictions, twoRows);
    assert.equal(body.model_version, '1');
  });
}

const matrix = [
  [1, 2],
  [3, 4],
];
for (const body of [
  { inputs: matrix },
  { instances: matrix },
  { inputs: { x: matrix } },
  { dataframe_split: { columns: ['x'], data: matrix.map((row) => [row]) } },
  { dataframe_records: matrix.map((x) => ({ x })) },
]) {
  test(`a matrix is taken as ${JSON.stringify(body)}`, async () => {
    assert.deepEqual((await invoke('sum', body)).body.predictions, [3, 7]);
  });
}

test('classes come back as their names, NaN of Python is a null, and a number that is none is null', async () => {
  assert.deepEqual((await invoke('class', { inputs: [0, 1, 2] })).body.predictions, [
    'low',
    'high',
    'beyond',
  ]);
  const text = '{"dataframe_records":[{"a":NaN,"b":"NaN, they say"}]}';
  assert.deepEqual((await invoke('table', text)).body.predictions, [{ doubled: 0, same: 'NaN, they say' }]);
});

test('params are those of the protocol', async () => {
  const late = await invoke('sum', { inputs: matrix, params: { timeout: 1 } });
  assert.equal(late.status, 504);
  assert.match(late.body.error, /the deadline passed/);
  assert.equal((await invoke('sum', { inputs: matrix, params: { key: 'ada' } })).status, 200);
});

const refused: [string, string, unknown, RegExp][] = [
  [
    'no rows',
    'table',
    {},
    /has no rows, expected one of dataframe_split, dataframe_records, instances, inputs/,
  ],
  ['two shapes', 'table', { inputs: [], instances: [] }, /has instances and inputs, expected one of/],
  ['an empty list', 'table', { dataframe_records: [] }, /the request has no rows/],
  ['no columns', 'table', { inputs: {} }, /the request has no rows/],
  ['a row without a column', 'table', { instances: [{ a: 1 }] }, /row 0 has no "b"/],
  [
    'a strange column',
    'table',
    { instances: [{ a: 1, b: 'x', c: 1 }] },
    /"c" is unknown; the model takes "a", "b"/,
  ],
  [
    'columns of unequal length',
    'table',
    { inputs: { a: [1], b: [] } },
    /inputs.b has 0 rows, the first column 1/,
  ],
  [
    'a row that is short',
    'table',
    { dataframe_split: { columns: ['a', 'b'], data: [[1]] } },
    /data\[0\] has 1 values for 2 columns/,
  ],
  [
    'a column twice',
    'table',
    { dataframe_split: { columns: ['a', 'a', 'b'], data: [[1, 2, 'x']] } },
    /column "a" is given twice/,
  ],
  [
    'columns by number',
    'sum',
    { dataframe_split: { columns: [0, 1], data: matrix } },
    /is \[0,1\], expected names/,
  ],
  ['bare rows for a table', 'table', { inputs: [[1, 'x']] }, /expected an object of the model's 2 columns/],
  ['a row too wide', 'sum', { inputs: [[1, 2, 3]] }, /"x" row 0 has 3 values, expected 2/],
  [
    'a value of another kind',
    'table',
    { inputs: { a: ['1'], b: ['x'] } },
    /"a" row 0 is "1", expected a number/,
  ],
  [
    'a key of prototypes',
    'table',
    '{"inputs":{"__proto__":[1],"a":[1],"b":["x"]}}',
    /"__proto__" is unknown/,
  ],
  ['an integer that JSON rounds', 'long', '{"inputs":[[1,9007199254740993,3]]}', /beyond 2\^53 only by/],
  ['halves', 'half', { inputs: [[1, 2, 3]] }, /is FP16, which JSON has no form for/],
  ['params that are a list', 'sum', { inputs: matrix, params: [] }, /parameters is \[\], expected an object/],
];
for (const [what, model, body, sentence] of refused) {
  test(`rows are refused: ${what}`, async () => {
    const answer = await invoke(model, body);
    assert.equal(answer.status, 400);
    assert.deepEqual(Object.keys(answer.body), ['error']);
    assert.match(answer.body.error, sentence);
  });
}

test('where more than one model is served, the path must say which', async () => {
  const { status, body } = await post(`${server.url}/invocations`, { inputs: matrix });
  assert.equal(status, 400);
  assert.match(body.error, /ask at one of \/models\/table\/invocations, \/models\/sum\/invocations, /);
  assert.equal((await invoke('nobody', { inputs: matrix })).status, 404);
});

test('one model is asked without its name, and its container is pinged', async () => {
  const one = await serveFiles({ sum: sumModel() });
  try {
    assert.deepEqual((await post(`${one.url}/invocations`, { inputs: matrix })).body.predictions, [3, 7]);
    for (const path of ['/ping', '/health']) assert.equal((await fetch(one.url + path)).status, 200);
  } finally {
    await one.stop();
  }
});

const invokeCsv = (path: string, body: string) =>
  fetch(server.url + path, { method: 'POST', headers: { 'content-type': 'text/csv' }, body });

for (const [what, model, text, predictions] of [
  ['with names, in any order', 'table', 'b,a\nx,1\ny,\n', twoRows],
  ['without names, in the model’s order', 'table', '1,x\r\nNaN,y', twoRows],
  ['a tensor of two values a row', 'sum', '1,2\n3,4\n', [3, 7]],
  ['quotes, and a mark of bytes', 'table', '\ufeffa,b\n1,"x"\n0,"y"', twoRows],
] as const) {
  test(`CSV is taken: ${what}`, async () => {
    const answer = await invokeCsv(`/models/${model}/invocations`, text);
    const body = (await answer.json()) as { predictions: unknown[] };
    assert.deepEqual([answer.status, body.predictions], [200, predictions], JSON.stringify(body));
  });
}

test('whole numbers of a CSV are exact', async () => {
  const answer = await invokeCsv('/models/long/invocations', '9007199254740993,1,2');
  assert.equal(answer.status, 400); // MLflow's JSON could not give it back
  assert.match(await answer.text(), /is 9007199254740993, which only the inference protocol gives exactly/);
});

for (const [what, model, text, sentence] of [
  ['a word for a number', 'table', 'a,b\none,x', /input "a" row 0 is "one"/],
  ['a line too short', 'table', 'a,b\n1,x\n2', /not CSV: .*line 3/],
  ['a name that is none of its columns', 'table', 'a,c\n1,x', /input "a" row 0 is "a", expected/],
  ['too many values', 'sum', '1,2,3', /first line has 3 values, expected the columns' names, or 2 values/],
  ['a column twice', 'table', 'a,a\n1,2', /column "a" is given twice/],
  ['a column left out', 'table', 'a\n1', /row 0 has no "b"/],
  ['nothing', 'table', '', /no rows/],
] as const) {
  test(`CSV is refused: ${what}`, async () => {
    const answer = await invokeCsv(`/models/${model}/invocations`, text);
    const { error } = (await answer.json()) as { error: string };
    assert.equal(answer.status, 400, error);
    assert.match(error, sentence);
  });
}

test('too many rows are 413, and CSV is 415 where no table is taken', async () => {
  const many = { inputs: Array.from({ length: 10_001 }, () => [1, 2]) };
  assert.equal((await invoke('sum', many)).status, 413);
  assert.equal((await invokeCsv('/v2/repository/index', 'a,b\n1,x')).status, 415);
});
