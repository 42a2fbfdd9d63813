/** A real stack beside a real MLflow server: what it shows of lifecycles that ended well and badly. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { failedWith } from '../../contracts/failures.ts';
import { Mlflow } from '../../infra/mlflow.ts';
import { openBelt } from '../support/belt.ts';
import type { Belt } from '../support/belt.ts';
import { startMlflow } from '../support/mlflow.ts';
import type { MlflowServer } from '../support/mlflow.ts';
import { replayAll } from '../support/replay.ts';
import { until } from '../support/until.ts';

const server = await startMlflow();
const reason = typeof server === 'string' ? server : false;

describe('with a real MLflow server', { skip: reason }, () => {
  const { uri, python } = server as MlflowServer;
  const mlflow = new Mlflow({ uri, experiment: 'esteira' });
  let belt: Belt;
  before(async () => {
    process.env['MLFLOW_TRACKING_URI'] = uri; // workers inherit it
    belt = await openBelt({ ESTEIRA_GPUS: 'none' });
  });
  after(async () => {
    await belt.close();
    await (server as MlflowServer).stop();
  });

  /** Of the run of a lifecycle, such as `tracked/1`. */
  async function shown(name: string) {
    const found = await fetch(`${uri}/api/2.0/mlflow/runs/search`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ experiment_ids: await experiments(), filter: `tags."esteira.run" = '${name}'` }),
    });
    const { runs = [] } = (await found.json()) as {
      runs?: {
        info: { run_id: string; status: string };
        data: Partial<Record<'tags' | 'params', { key: string; value: string }[]>>;
      }[];
    };
    assert.equal(runs.length, 1, `${name} has ${runs.length} runs`);
    const { info, data } = runs[0]!;
    const named = (list: { key: string; value: string }[] = []) =>
      Object.fromEntries(list.map(({ key, value }) => [key, value]));
    return {
      ...{ id: info.run_id, status: info.status },
      ...{ tags: named(data.tags), params: named(data.params) },
    };
  }

  async function experiments(): Promise<string[]> {
    const found = await fetch(`${uri}/api/2.0/mlflow/experiments/get-by-name?experiment_name=esteira`);
    return [((await found.json()) as { experiment: { experiment_id: string } }).experiment.experiment_id];
  }

  test('each version appears with its run, and the alias champion follows promotions and a rollback', async () => {
    const folder = await belt.project('tracked');
    for (const number of [1, 2]) {
      assert.equal((await belt.esteira.outcome(await belt.start(folder))).status, 'deployed');
      const run = await shown(`tracked/${number}`);
      assert.equal(run.status, 'FINISHED');
      assert.equal(run.tags['esteira.outcome'], 'deployed');
      assert.equal(run.params['epochs'], '2');
      assert((await mlflow.history(run.id, 'validation_loss')).length > 0, 'its curve is there');
      const version = (await mlflow.versions('tracked')).find(({ runId }) => runId === run.id);
      assert.equal(version?.tags['esteira.version'], String(number));
      assert.equal((await mlflow.aliases('tracked'))['champion'], version?.version);
    }
    const first = (await mlflow.versions('tracked')).find(({ tags }) => tags['esteira.version'] === '1');
    await belt.esteira.rollback('tracked', 'ana', 'a drill');
    await until(async () => (await mlflow.aliases('tracked'))['champion'] === first!.version);
  });

  test('a trainer that logs by itself and then fails has one run, with what it logged, and FAILED', async () => {
    const script = 'import mlflow, sys; mlflow.log_metric("own", 0.5, step=1); sys.exit(3)';
    const trainer = { backend: 'command' as const, command: [python, '-c', script] };
    const lifecycleId = await belt.start(await belt.project('broken', { trainer }));
    await assert.rejects(belt.esteira.outcome(lifecycleId), (error: Error) =>
      failedWith(error.cause, 'TrainerFailed'),
    );
    const run = await shown('broken/1');
    assert.equal(run.status, 'FAILED');
    assert.equal(run.tags['esteira.outcome'], 'failed');
    assert.deepEqual(
      (await mlflow.history(run.id, 'own')).map(({ value }) => value),
      [0.5],
    );
  });

  test('replay: this code retells every run of this file', async () => {
    assert((await replayAll(belt.esteira.client))['lifecycle']! >= 3);
  });
});
