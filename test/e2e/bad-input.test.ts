/** Data, artifacts and requests that are wrong: each is named in words, and nothing bad goes live. */
import assert from 'node:assert/strict';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { WorkflowFailedError } from '@temporalio/client';
import { recordKey } from '../../activities/record.ts';
import type { Artifact } from '../../contracts/artifact.ts';
import { DatasetManifest } from '../../contracts/dataset.ts';
import { rootFailure } from '../../contracts/failures.ts';
import { Package } from '../../contracts/serving.ts';
import { readJson, readJsonBlob } from '../../infra/store/json.ts';
import { openBelt } from '../support/belt.ts';
import type { Belt } from '../support/belt.ts';
import { hold } from '../support/hold.ts';
import { replayAll } from '../support/replay.ts';
import { post } from '../support/server.ts';
import { csv } from '../support/stage.ts';
import { until } from '../support/until.ts';

let belt: Belt;
before(async () => (belt = await openBelt()));
after(() => belt.close());

/** Runs these rows. @returns the failure that ended the run, by name and in words */
async function failureOf(lifecycleId: string): Promise<string> {
  try {
    return JSON.stringify(await belt.esteira.outcome(lifecycleId));
  } catch (error) {
    assert(error instanceof WorkflowFailedError);
    const failure = rootFailure(error.cause);
    return `${failure?.type}: ${failure?.message}`;
  }
}

const failed = async (model: string, rows: string) =>
  failureOf(await belt.start(await belt.project(model, {}, rows)));

/** As a bad disk would: one byte is another, and nobody was told. */
async function damage(artifact: Artifact): Promise<void> {
  const path = await belt.esteira.store.localPath(artifact);
  const bytes = await readFile(path);
  bytes[Math.floor(bytes.length / 2)]! ^= 1;
  await chmod(path, 0o644);
  await writeFile(path, bytes);
}

test('data that cannot be learned from ends the run by name', { timeout: 720_000 }, async () => {
  const good = csv(2_000);
  const [missing, constant, empty, broken] = await Promise.all([
    failed('missing', good.replaceAll(/,[01]\n/g, '\n').replace(',y\n', '\n')),
    failed('constant', good.replaceAll(/,[01]\n/g, ',1\n')),
    failed('empty', good.replaceAll('2001-', '1999-')),
    failed('broken', `${good}r2000,2001-01-02 00:00:00,0.5,ATL,1,what,is,this\n`),
  ]);
  assert.match(missing, /^MissingColumn: .*no column y.*label.*id, seen, x, city/);
  assert.match(constant, /^UntrainableData: /);
  assert.match(empty, /^EmptyWindow: no rows of empty between 2001-01-01/);
  assert.match(broken, /^UnreadableSource: .*rows\.csv.*Line: 2002/);
  for (const model of ['missing', 'constant', 'empty', 'broken']) {
    assert.deepEqual(await belt.slots(model), []);
    assert.equal((await belt.esteira.describe(model))?.inFlight, null, 'the model is free again');
  }
});

test(
  'data damaged between two stages is noticed by its digest, and mended by the next run',
  { timeout: 480_000 },
  async () => {
    const { store } = belt.esteira;
    const letGo = await hold(belt.config.store, recordKey('lifecycle/damaged/1', 'ingest'));
    const run = await belt.start(await belt.project('damaged'));
    let manifest: DatasetManifest | undefined;
    await until(async () => {
      for await (const { key } of store.list('datasets/damaged/')) {
        manifest = (await readJson(store, key, DatasetManifest))?.value;
      }
      return manifest !== undefined;
    });
    await damage(manifest!.parts[0]!.artifact);
    await letGo();
    assert.match(await failureOf(run), /^DigestMismatch: blobs\/.* holds other bytes/);
    const next = await belt.start(await belt.project('damaged'));
    assert.equal((await belt.esteira.outcome(next)).status, 'deployed');
  },
);

test(
  'a model damaged before its rollout is refused by the endpoint, and the old version stays',
  { timeout: 720_000 },
  async () => {
    const { store } = belt.esteira;
    await belt.esteira.outcome(await belt.start(await belt.project('served')));
    const letGo = await hold(belt.config.store, recordKey('lifecycle/served/2', 'deploy'));
    const other = { backend: 'onnx', epochs: 2, batchSize: 128, seed: 2 } as const;
    const run = await belt.start(await belt.project('served', { trainer: other }));
    await until(async () => (await belt.versions('served')).length === 2);
    const { onnx } = await readJsonBlob(store, (await belt.versions('served'))[1]!.package, Package);
    await damage(onnx);
    await letGo();

    const outcome = await belt.esteira.outcome(run);
    assert(outcome.status === 'rolled-back' && outcome.rollout.status === 'rolled-back');
    assert.match(outcome.rollout.reason, /holds other bytes/);
    const infer = `${belt.stack.servingUrl}/v2/models/served/infer`;
    const inputs = [column('x', 'FP64', 0.5), column('city', 'BYTES', 'ATL')];
    const { status, body } = await post(infer, { inputs });
    assert.deepEqual([status, body.model_version, body.parameters.route], [200, '1', 'champion']);
    const state = await belt.esteira.describe('served');
    assert.deepEqual([state?.slots?.champion?.version, state?.slots?.challenger], [1, null]);
  },
);

test('a request of wrong types is refused with a sentence that names the input', async () => {
  const infer = `${belt.stack.servingUrl}/v2/models/served/infer`;
  const x = column('x', 'FP64', 0.5);
  const city = column('city', 'BYTES', 'ATL');
  for (const [inputs, sentence] of [
    [[column('x', 'FP64', 'much'), city], /"?x"?.*(number|FP64)/],
    [[column('x', 'BYTES', 'much'), city], /"?x"?.*FP64/],
    [[x], /city/],
    [[{ ...x, shape: [2] }, city], /x.*shape|shape.*x/],
  ] as const) {
    const { status, body } = await post(infer, { inputs });
    assert.equal(status, 400, JSON.stringify(body));
    assert.match(body.error, sentence);
  }
});

test('every history replays', async () => {
  assert.equal((await replayAll(belt.esteira.client))['lifecycle'], 8);
});

function column(name: string, datatype: string, value: unknown) {
  return { name, datatype, shape: [1], data: [value] };
}
