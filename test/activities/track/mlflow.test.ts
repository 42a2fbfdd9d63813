/** Tracking against a real MLflow server: what is there afterwards, asked of it by its own means. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { createTrack } from '../../../activities/track/index.ts';
import type { Track } from '../../../activities/track/index.ts';
import { canonicalJson, putJsonBlob, readJson, swapJson } from '../../../infra/store/json.ts';
import { freePort } from '../../../infra/local.ts';
import { Mlflow, trackingEnvironment } from '../../../infra/mlflow.ts';
import type { MlflowSettings } from '../../../infra/config-receivers.ts';
import { Tracked } from '../../../activities/track/index.ts';
import { startMlflow } from '../../support/mlflow.ts';
import type { MlflowServer } from '../../support/mlflow.ts';
import { detailsWith, evaluateRecord, trainRecord, trialRecord } from '../../support/records.ts';
import { openBench, project } from '../../support/stage.ts';
import type { Bench } from '../../support/stage.ts';

const lifecycleId = 'lifecycle/m/1';
const deployed = { lifecycleId, status: 'deployed' };
const server = await startMlflow();
const reason = typeof server === 'string' ? server : false;

describe('with a real MLflow server', { skip: reason }, () => {
  const { uri, python } = server as MlflowServer;
  const settings: MlflowSettings = { uri, experiment: 'belt' };
  const mlflow = new Mlflow(settings);
  let bench: Bench;
  let track: Track;

  before(async () => {
    bench = await openBench();
    track = createTrack({ store: bench.store, mlflow, log: { warn: () => {} } });
  });
  after(async () => {
    await bench.close();
    await (server as MlflowServer).stop();
  });

  const put = async (key: string, value: unknown) => {
    const before = await bench.store.read(key);
    assert.ok(await swapJson(bench.store, key, value, before?.etag));
  };

  async function writeRecords() {
    const { store } = bench;
    const step = Array.from({ length: 1_200 }, (_, i) => i + 1);
    const curve = { step, value: step.map((i) => 1 / i), seconds: step.map((i) => i / 100) };
    const series = await putJsonBlob(store, { validation_loss: curve, 'odd name!': curve });
    const log = await store.putBlob('epoch 1\n', 'text/plain');
    const details = detailsWith(
      { lr: 0.01, optimizer: { name: 'adam', betas: [0.9, 0.999] } },
      { series, log },
    );
    const train = trainRecord('m', 1, details, { validation_loss: 1 / 1_200, accuracy: 0.8 });
    train.output.model = await store.putBlob('the bytes of a model', 'application/onnx');
    train.inputs.project = await bench.pin(project());
    const evaluate = evaluateRecord('m', 1, { roc_auc: 0.7 });
    evaluate.output.report = await store.putBlob('<html></html>', 'text/html');
    evaluate.output.scorecard = await putJsonBlob(store, { roc: [] });
    await put(`runs/${lifecycleId}/train/record.json`, train);
    await put(`runs/${lifecycleId}/evaluate/record.json`, evaluate);
  }

  const ask = async (path: string, body?: object) => {
    const response = await fetch(`${uri}/api/2.0/mlflow/${path}`, {
      ...(body && {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
    });
    // oxlint-disable-next-line typescript/no-explicit-any -- looked into freely
    return (await response.json()) as any;
  };
  const allRuns = async () => {
    const { experiment } = await ask('experiments/get-by-name?experiment_name=belt');
    const { runs } = await ask('runs/search', {
      experiment_ids: [experiment.experiment_id],
      max_results: 100,
    });
    return (runs ?? []) as {
      info: { run_id: string; run_name: string; status: string; artifact_uri: string };
      data: Record<'params' | 'tags', { key: string; value: string }[]>;
    }[];
  };
  const named = (list: { key: string; value: unknown }[]) =>
    Object.fromEntries(list.map(({ key, value }) => [key, value]));

  test('a training opens one run, however often it asks, and however many ask at once', async () => {
    const asked = await Promise.all(
      [1, 2, 3].map(() => track.openTrackingRun({ lifecycleId }).catch(() => null)),
    );
    const again = await track.openTrackingRun({ lifecycleId });
    assert.ok(again);
    for (const one of asked) if (one) assert.deepEqual(one, again);
    assert.equal((await allRuns()).length, 1);
  });

  test('a trainer that logs by itself lands in the same run, and its steps are not told twice', async () => {
    const { runId } = (await track.openTrackingRun({ lifecycleId }))!;
    const script =
      'import mlflow\nmlflow.log_metric("own", 0.5, step=1)\nmlflow.log_metric("validation_loss", 1.0, step=1)';
    await promisify(execFile)(python, ['-c', script], {
      env: { ...process.env, ...trackingEnvironment(settings, runId) },
    });
    assert.deepEqual(
      (await allRuns()).map(({ info }) => info.run_id),
      [runId],
    );
    assert.equal((await mlflow.history(runId, 'own')).length, 1);
  });

  test('parameters, metrics by step, tags and artifacts appear, and telling it again doubles nothing', async () => {
    await writeRecords();
    const told = await bench.run(track.track, deployed);
    assert.equal(told?.state, 'told', told?.message);
    await bench.store.delete(`runs/${lifecycleId}/mlflow-mark.json`); // as after a kill between telling and marking
    await bench.run(track.track, deployed);
    await bench.run(track.track, deployed);
    const runs = await allRuns();
    assert.equal(runs.length, 1);
    const { info, data } = runs[0]!;
    assert.deepEqual([info.run_name, info.status], ['m/1', 'FINISHED']);
    const params = named(data.params);
    assert.deepEqual(
      [params['lr'], params['optimizer.name'], params['optimizer.betas']],
      ['0.01', 'adam', '[0.9,0.999]'],
    );
    const tags = named(data.tags) as Record<string, string>;
    assert.equal(tags['esteira.run'], 'm/1');
    assert.equal(tags['mlflow.user'], 'ana');
    assert.equal(tags['mlflow.source.git.commit'], 'c0ffee0c0ffee0c0ffee0c0ffee0c0ffee0c0ffe');
    assert.match(tags['esteira.digest.model']!, /^[0-9a-f]{64}$/);
    const losses = await mlflow.history(info.run_id, 'validation_loss');
    assert.deepEqual([losses.length, new Set(losses.map(({ step }) => step)).size], [1_200, 1_200]);
    assert.equal((await mlflow.history(info.run_id, 'odd name_')).length, 1_200);
    assert.deepEqual(
      (await mlflow.history(info.run_id, 'holdout_roc_auc')).map(({ value }) => value),
      [0.7],
    );
    const folder = info.artifact_uri.replace('mlflow-artifacts:', '');
    const bytes = await fetch(`${uri}/api/2.0/mlflow-artifacts/artifacts${folder}/model/model.onnx`);
    assert.equal(await bytes.text(), 'the bytes of a model');
    const { files } = await ask(`artifacts/list?run_id=${info.run_id}`);
    assert.deepEqual(files.map(({ path }: { path: string }) => path).toSorted(), [
      'model',
      'report.html',
      'scorecard.json',
      'trainer.log',
    ]);
  });

  test('a version is registered once, and the aliases follow the slots', async () => {
    const at = '2026-01-01T00:00:00.000Z';
    const slot = (version: number) => ({
      version,
      package: { uri: 'x', sha256: 'a'.repeat(64), bytes: 1, mediaType: 'x' },
    });
    const slots = {
      model: 'm',
      epoch: 1,
      champion: null,
      challenger: { ...slot(1), share: 0.1 },
      previous: null,
      reason: 'canary',
      by: 'ana',
      at,
    };
    const deploy = { ...evaluateRecord('m', 1, {}), stage: 'deploy', output: { version: 1 } };
    await put(`runs/${lifecycleId}/deploy/record.json`, deploy);
    await put('models/m/current.json', slots);
    await bench.run(track.track, deployed);
    assert.deepEqual(await mlflow.aliases('m'), { challenger: '1' });
    await put('models/m/current.json', { ...slots, epoch: 2, champion: slot(1), challenger: null });
    await bench.run(track.track, deployed);
    assert.deepEqual(await mlflow.aliases('m'), { champion: '1' });
    const versions = await mlflow.versions('m');
    assert.deepEqual(
      versions.map(({ version, tags }) => [version, tags['esteira.version']]),
      [['1', '1']],
    );
    await put('models/m/current.json', { ...slots, epoch: 3, challenger: null });
    await bench.run(track.trackAliases, { model: 'm' });
    assert.deepEqual(await mlflow.aliases('m'), {});
  });

  test('trials are runs below that of their lifecycle', async () => {
    for (const k of [0, 1]) {
      const record = trialRecord('m', 1, k, { lr: 10 ** -k }, k === 0 ? 0.4 : null);
      const series = await putJsonBlob(bench.store, {});
      const log = await bench.store.putBlob('', 'text/plain');
      if (record.details) Object.assign(record.details, { series, log });
      await put(`runs/${lifecycleId}/search/${k}/record.json`, record);
    }
    await bench.run(track.track, deployed);
    await bench.run(track.track, deployed);
    const runs = await allRuns();
    const parent = runs.find(({ info }) => info.run_name === 'm/1')!.info.run_id;
    const trials = runs.filter(({ info }) => info.run_id !== parent);
    assert.deepEqual(trials.map(({ info }) => `${info.run_name} ${info.status}`).toSorted(), [
      'm/1/0 FINISHED',
      'm/1/1 FAILED',
    ]);
    for (const { data } of trials) assert.equal(named(data.tags)['mlflow.parentRunId'], parent);
  });

  test('a training that came to no end does not run for ever on the server', async () => {
    const [failed, cancelled] = ['lifecycle/m/8', 'lifecycle/m/9'];
    await track.openTrackingRun({ lifecycleId: failed });
    await track.openTrackingRun({ lifecycleId: cancelled, trial: 1 });
    assert.equal((await bench.run(track.track, { lifecycleId: failed, status: 'failed' }))?.state, 'told');
    await bench.run(track.track, { lifecycleId: cancelled, status: 'cancelled' });
    const states = (await allRuns()).map(({ info }) => `${info.run_name} ${info.status}`);
    for (const state of ['m/8 FAILED', 'm/9 KILLED', 'm/9/1 KILLED']) assert(states.includes(state), state);
  });

  test('another store’s lifecycle of the same name is another run', async () => {
    const other = await openBench();
    const opened = await createTrack({ store: other.store, mlflow, log: { warn: () => {} } }).openTrackingRun(
      { lifecycleId },
    );
    assert.notEqual(opened?.runId, (await track.openTrackingRun({ lifecycleId }))?.runId);
    await other.close();
  });
});

test('a server that is down holds nothing up: the training goes on, and the record says so', async () => {
  const bench = await openBench();
  const warned: string[] = [];
  const mlflow = new Mlflow({ uri: `http://127.0.0.1:${await freePort(0)}`, experiment: 'x' });
  const track = createTrack({
    store: bench.store,
    mlflow,
    log: { warn: (_, text) => void warned.push(text) },
  });
  assert.equal(await track.openTrackingRun({ lifecycleId }), null);
  await bench.store.create(
    `runs/${lifecycleId}/train/record.json`,
    canonicalJson(trainRecord('m', 1, {}, {})),
  );
  await assert.rejects(bench.run(track.track, deployed), 'an early attempt is tried again');
  const { MockActivityEnvironment } = await import('@temporalio/testing');
  const last = new MockActivityEnvironment({ attempt: 3 });
  const told: Tracked = await (last.run(track.track as never, deployed as never) as Promise<Tracked>);
  assert.equal(told.state, 'failed');
  const kept = await readJson(bench.store, `runs/${lifecycleId}/tracked.json`, Tracked);
  assert.ok(kept?.value.message);
  assert.equal(warned.length, 2);
  await bench.close();
});

test('without MLFLOW_TRACKING_URI nothing is tracked', async () => {
  const bench = await openBench();
  const track = createTrack({ store: bench.store, mlflow: undefined, log: { warn: () => assert.fail() } });
  assert.equal(await track.openTrackingRun({ lifecycleId }), null);
  assert.equal(await bench.run(track.track, deployed), null);
  await bench.close();
});
