/** Model files that lie, hide or burst: refused by what they are before a runtime sees them, or by what they do. */
import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { scoreParts, scoringLimits } from '../../activities/evaluate/score-parts.ts';
import type { ScoringLimits } from '../../activities/evaluate/score-parts.ts';
import { packageModel } from '../../activities/train/package-model.ts';
import { forkModule } from '../../infra/child.ts';
import { check } from '../../infra/onnx/check.ts';
import { graph } from '../../infra/onnx/graph.ts';
import { score } from '../../infra/onnx/score.ts';
import { changed, doubling, inputs, model, outputs, outside, signature } from './onnx-bytes.ts';
import { files, structures } from './onnx-corpus.ts';
import { openSandbox, refusal } from './sandbox.ts';
import type { Sandbox } from './sandbox.ts';

let sandbox: Sandbox;
let part: string;
before(async () => {
  sandbox = await openSandbox();
  part = join(sandbox.bench.folder, 'part.parquet');
  const db = await sandbox.bench.deps.openDuckDb(sandbox.bench.folder);
  await db.run(`COPY (SELECT i::DOUBLE AS x FROM range(5000) t(i)) TO '${part}' (FORMAT parquet)`);
  await db.close();
});
after(() => sandbox.close());

test('the model that the hostile ones are made of is accepted', async () => {
  assert.deepEqual(check(doubling(), inputs, outputs), []);
  assert.deepEqual(await score(doubling(), signature, { x: [1, 21] }), [2, 42]);
});

for (const [what, bytes, says] of [...files, ...structures]) {
  test(`refused unopened: ${what}`, async () => {
    const started = process.memoryUsage.rss();
    const faults = check(bytes(), inputs, outputs);
    assert(faults.length > 0 && faults.length <= 10);
    assert.match(faults.join('; '), says);
    assert(process.memoryUsage.rss() - started < 400e6);
  });
}

test('what a trainer gives is refused when it is to be packed', () => {
  const hostile = changed(({ graph }) => graph!.initializer!.push(outside()));
  const { faults, packaged } = packageModel(prepared, doubling(), hostile);
  assert.match(faults.join(), /keeps its data outside the file/);
  assert.equal(packaged, undefined);
});

/** Of contracts/prepared.ts, as far as packaging looks. */
const prepared = {
  layout: { numeric: [], categorical: [], classes: [] },
  signature,
  task: 'regression',
} as const satisfies Parameters<typeof packageModel>[0];

let runs = 0;
async function scored(bytes: Uint8Array, limits: Partial<ScoringLimits> = {}) {
  const folder = join(sandbox.bench.folder, `scoring-${runs++}`);
  await mkdir(folder);
  const path = join(folder, `${'0'.repeat(63)}${runs % 10}`);
  await writeFile(path, bytes);
  const { signal } = new AbortController();
  const work = { forkModule, folder, signal, scored: () => {} };
  try {
    return await scoreParts(work, [path], [part], { ...scoringLimits, ...limits });
  } finally {
    assert.deepEqual(await readdir(join(folder, 'empty')), [], 'the model has left nothing');
  }
}

/** `Loop` for ever: its condition is that it goes on. */
const endless = () =>
  model((g, x) => {
    const body = graph('body');
    body.input('turn', 'int64', []);
    const [on, sum] = [body.input('on', 'bool', []), body.input('sum', 'float', ['n'])];
    body.output('onOut', on, 'bool', []);
    body.output('sumOut', body.node('Sin', [sum]), 'float', ['n']);
    const count = g.constant('int64', [2 ** 52], []);
    return g.node('Loop', [count, g.constant('bool', [1], []), x], { body: { graph: body.proto() } });
  });

/** `side` squared floats, of which nothing is left at the end. */
const large = (side: number) =>
  model((g, x) => {
    const ones = g.node('ConstantOfShape', [g.constant('int64', [side, side])]);
    return g.node('Add', [x, g.node('ReduceSum', [g.node('Sin', [ones])], { keepdims: 0 })]);
  });

const bombs: [string, () => Uint8Array, Partial<ScoringLimits>, RegExp][] = [
  ['a loop without end', endless, { batchMs: 4_000 }, /no answer for a batch of rows in 4 s/],
  ['a loop without end, by the total', endless, { totalMs: 4_000 }, /takes more than 4 s/],
  ['a tensor larger than any memory', () => large(2 ** 24), {}, /runtime refuses it: .*allocate memory/],
  ['a tensor larger than the limit', () => large(30_000), {}, /MiB of memory|allocate memory/],
  ['many tensors that fit one by one', () => growing(), {}, /MiB of memory|allocate memory/],
  [
    'one answer for all rows',
    () => model((g, x) => g.node('ReduceMean', [x], { keepdims: 1 })),
    {},
    /1 values for 2048 rows/,
  ],
  [
    'an operator that does not exist',
    () => model((g, x) => g.node('Format', [x])),
    {},
    /runtime refuses it: .*Format/,
  ],
];
for (const [what, bytes, limits, says] of bombs) {
  test(`ended by its limits: ${what}`, { timeout: 480_000 }, async () => {
    const message = await refusal(() => scored(bytes(), limits), 'ModelRefused', says);
    assert(!message.includes(sandbox.bench.folder) && !message.includes('/onnxruntime_src'));
  });
}

/** A list that each turn of a loop makes longer by 64 MB. */
function growing(): Uint8Array {
  return model((g, x) => {
    const body = graph('grow');
    body.input('turn', 'int64', []);
    const [on, all] = [body.input('on', 'bool', []), body.input('all', 'float', ['n'])];
    const more = body.node('ConstantOfShape', [body.constant('int64', [2 ** 24])]);
    body.output('onOut', on, 'bool', []);
    body.output('allOut', body.node('Concat', [all, more], { axis: 0 }), 'float', ['n']);
    const turns = [g.constant('int64', [10_000], []), g.constant('bool', [1], []), x];
    const sum = g.node('ReduceSum', [g.node('Loop', turns, { body: { graph: body.proto() } })], {
      keepdims: 0,
    });
    return g.node('Add', [x, sum]);
  });
}

test('a golden batch of a hostile model ends the same way, and the next good one is answered', async () => {
  const limits = { memoryBytes: 500e6, totalMs: 4_000 };
  const folder = sandbox.bench.folder;
  const asked = (bytes: Uint8Array) => score(bytes, signature, { x: [1] }, folder, limits);
  await refusal(() => asked(endless()), 'ModelRefused', /limit of time/);
  await refusal(() => asked(large(20_000)), 'ModelRefused', /limit of memory|allocate memory/);
  await refusal(
    () => asked(changed(({ graph }) => (graph!.initializer = [outside('.env')]))),
    'ModelRefused',
    /outside/,
  );
  assert.deepEqual(await score(doubling(), signature, { x: [4] }, folder), [8]);
  const left = (await readdir(folder)).filter((name) => name.startsWith('esteira-'));
  assert.deepEqual(left, [], 'no folder is left');
});

test('the scoring process has an empty folder to work in, and no secrets of ours', async () => {
  process.env['AWS_SECRET_ACCESS_KEY'] = process.env['TEMPORAL_API_KEY'] = 'canary';
  let options: Parameters<typeof forkModule>[1];
  const folder = join(sandbox.bench.folder, 'looked-at');
  await mkdir(folder);
  const path = join(folder, 'model');
  await writeFile(path, doubling());
  const spy: typeof forkModule = (_, given) => {
    options = given;
    return forkModule(new URL('../support/bare-child.ts', import.meta.url), { ...given, args: [] });
  };
  const { signal } = new AbortController();
  const work = { forkModule: spy, folder, signal, scored: () => {} };
  await assert.rejects(scoreParts(work, [path], [part]), /left with 7.*"names":\[\],"beside":\[\]/s);
  delete process.env['AWS_SECRET_ACCESS_KEY'];
  delete process.env['TEMPORAL_API_KEY'];
  assert.equal(options?.cwd, join(folder, 'empty'));
  assert(options.limits && options.limits.memoryBytes < 2 ** 31);
});
