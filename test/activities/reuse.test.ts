/** Results that are used again: only when everything they follow from is the same, and their bytes are whole. */
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { createEvaluate } from '../../activities/evaluate/index.ts';
import { createIngest } from '../../activities/ingest/index.ts';
import { createPrepare } from '../../activities/prepare/index.ts';
import { StageRecord } from '../../activities/record.ts';
import { createTrain } from '../../activities/train/index.ts';
import type { CacheNote, Output } from '../../contracts/lifecycle.ts';
import { forkModule } from '../../infra/child.ts';
import { readJson } from '../../infra/store/json.ts';
import { csv, january, openBench, project } from '../support/stage.ts';
import type { Bench } from '../support/stage.ts';

let bench: Bench;
let run = 0;
before(async () => {
  bench = await openBench();
  await bench.write('rows.csv', csv(600));
});
after(() => bench.close());

interface Notes {
  lifecycleId: string;
  ingest: Output<'ingest'>;
  prepare: Output<'prepare'>;
  train: Output<'train'>;
  evaluate: Output<'evaluate'>;
}

/** The four stages as a lifecycle walks them. @param reuse of all, or of each by name */
async function walk(change: Parameters<typeof project>[0] = {}, reuse = true): Promise<Notes> {
  const trainer = { backend: 'onnx' as const, epochs: 1, batchSize: 128, seed: 1 };
  const pinned = await bench.pin(project({ model: 'm', trainer, gates: {}, ...change }));
  const common = { lifecycleId: `lifecycle/m/${++run}`, project: pinned, reuse };
  const deps = { ...bench.deps, forkModule };
  const ingest = await bench.run(createIngest(deps).ingest, { ...common, window: january });
  const prepare = await bench.run(createPrepare(deps).prepare, { ...common, dataset: ingest });
  const train = await bench.run(createTrain(deps).train, { ...common, prepared: prepare });
  const evaluate = await bench.run(createEvaluate(deps).evaluate, {
    ...common,
    prepared: prepare,
    candidate: train,
  });
  return { lifecycleId: common.lifecycleId, ingest, prepare, train, evaluate };
}

const stages = ['ingest', 'prepare', 'train', 'evaluate'] as const;
const hits = (notes: Notes) => stages.map((stage) => notes[stage].cache?.hit);
const whys = (notes: Notes) => stages.map((stage) => notes[stage].cache?.why);
const withoutNote = <T extends { cache?: CacheNote | undefined }>({ cache: _cache, ...rest }: T) => rest;

test('an equal run works nothing, and says whose results it has; its records are its own', async () => {
  const first = await walk();
  assert.deepEqual(hits(first), [false, false, false, false]);
  assert.deepEqual(new Set(whys(first)), new Set(['first run']));
  const second = await walk();
  assert.deepEqual(hits(second), [true, true, true, true]);
  assert.equal(second.train.cache?.why, `equal to ${first.lifecycleId}`);
  for (const stage of stages) assert.deepEqual(withoutNote(second[stage]), withoutNote(first[stage]));
  const record = await readJson(bench.store, `runs/${second.lifecycleId}/train/record.json`, StageRecord);
  assert.equal(record?.value.lifecycleId, second.lifecycleId);
  assert.equal(record?.value.details['backend'], 'onnx');
});

test('what has changed is named, and only what follows from it works again', async () => {
  const trainer = { backend: 'onnx' as const, epochs: 2, batchSize: 128, seed: 1 };
  const longer = await walk({ trainer });
  assert.deepEqual(hits(longer), [true, true, false, false]);
  assert.equal(longer.train.cache?.why, 'parameters changed');
  assert.equal(longer.evaluate.cache?.why, 'data changed');

  await bench.write('rows.csv', csv(700));
  const grown = await walk({ trainer });
  assert.deepEqual(hits(grown), [false, false, false, false]);
  assert.equal(grown.ingest.cache?.why, 'data changed');
});

test('asked to work, every stage works, and gives the same bytes', async () => {
  const known = await walk();
  const asked = await walk({}, false);
  assert.deepEqual(hits(asked), [false, false, false, false]);
  assert.deepEqual(new Set(whys(asked)), new Set(['turned off']));
  assert.equal(asked.train.model.sha256, known.train.model.sha256);
});

test('a result whose bytes are damaged is made anew', async () => {
  const known = await walk();
  const { sha256 } = known.train.model;
  const root = fileURLToPath(bench.store.uri);
  const path = join(root, 'blobs', 'sha256', sha256.slice(0, 2), sha256);
  assert((await readdir(join(root, 'blobs', 'sha256', sha256.slice(0, 2)))).includes(sha256));
  await writeFile(path, 'nothing of it');
  const again = await walk().catch((error: unknown) => error as Error);
  // The store itself refuses to serve such bytes; the stage says that it worked, and why.
  if (again instanceof Error) assert.fail(again.message);
  assert.equal(again.train.cache?.hit, false);
  assert.match(again.train.cache.why, /is damaged or gone/);
});

test('two equal runs at once do the work once', async () => {
  await bench.write('rows.csv', csv(800));
  const both = await Promise.all([walk(), walk()]);
  for (const stage of stages) {
    assert.equal(both.filter((notes) => notes[stage].cache?.hit).length, 1, stage);
  }
});

test('a command may run anything, and is not used again', async () => {
  const trainer = { backend: 'command' as const, command: [process.execPath, '-e', 'process.exit(3)'] };
  await assert.rejects(walk({ trainer }), /left with code 3/);
  await assert.rejects(walk({ trainer }), /left with code 3/);
});

test('a source that changes between the question and the reading is not kept under its old digest', async () => {
  const pinned = await bench.pin(project({ model: 'moving', sources: { event: { path: 'moving.csv' } } }));
  await bench.write('moving.csv', csv(600));
  let opened = 0;
  const openDuckDb: typeof bench.deps.openDuckDb = async (folder) => {
    if (++opened === 2) await bench.write('moving.csv', csv(500));
    return bench.deps.openDuckDb(folder);
  };
  const { ingest } = createIngest({ ...bench.deps, openDuckDb });
  const input = { lifecycleId: 'lifecycle/moving/1', project: pinned, reuse: true, window: january };
  await assert.rejects(bench.run(ingest, input), /a source changed while it was read/);
  const again = await bench.run(ingest, { ...input, lifecycleId: 'lifecycle/moving/2' });
  assert.deepEqual([again.rows, again.cache?.hit], [500, false]);
});
