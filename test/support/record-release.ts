/**
 * Records a release: a stack lives through what runs can be in the middle of, and their histories are written to
 * `test/histories/<release>/<moment>/` as protobuf JSON. Run it once a release; what it wrote is never written again.
 *
 *     node --import tsx test/support/record-release.ts 0.3.0
 */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WithStartWorkflowOperation } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { checkpointKey, CheckpointRecord } from '../../activities/train/checkpoints.ts';
import { alertList, changeAlert } from '../../client/alerts.ts';
import { followBackfill, startBackfill } from '../../client/backfill.ts';
import { reproduce } from '../../client/reproduce.ts';
import { release as letGo, sayToRollout } from '../../client/rollout.ts';
import { scoreLook, scoreOutcome, startScore } from '../../client/score.ts';
import { pinnedSetup } from '../../client/setup.ts';
import { modelWorkflowId, searchWorkflowId, taskQueues } from '../../contracts/search.ts';
import { readJson } from '../../infra/store/json.ts';
import { decideSignal, triggerUpdate } from '../../workflows/messages.ts';
import type { model as modelWorkflow } from '../../workflows/model.ts';
import type { SearchView } from '../../workflows/search.ts';
import { openBelt } from './belt.ts';
import { january } from './stage.ts';
import { until } from './until.ts';

const [release] = process.argv.slice(2);
if (!release) throw new Error('usage: record-release.ts <release>');
const folder = fileURLToPath(new URL(`../histories/${release}/`, import.meta.url));
const people = {
  policy: 'people' as const,
  need: { risk: 2 },
  people: { risk: ['ada', 'bob'] },
  reminder: '1s',
};
const long = {
  backend: 'onnx',
  epochs: 3_000,
  patience: 3_000,
  batchSize: 16,
  checkpointEvery: '300ms',
} as const;
const canary = { steps: [{ share: 0.5, bake: '3s' }], minRows: 100_000 };

const search = {
  ...{ method: 'tpe' as const, trials: 6, parallel: 2 },
  space: { learningRate: { min: 0.001, max: 0.1, scale: 'log' as const } },
};

const belt = await openBelt({ ESTEIRA_GPUS: 'none' });
const { esteira } = belt;
const { client } = esteira;

async function record(moment: string, ...ids: string[]): Promise<void> {
  await mkdir(join(folder, moment), { recursive: true });
  for (const workflowId of ids) {
    const history = await client.workflow.getHandle(workflowId).fetchHistory();
    const name = `${workflowId.replaceAll('/', '~').replaceAll(':', '-')}.json`;
    await writeFile(join(folder, moment, name), historyToJSON(history), { flag: 'wx' });
    console.log(`${moment}/${name}: ${history.events?.length} events`);
  }
}

async function waiting(requestId: string): Promise<void> {
  await until(async () => (await esteira.approvals()).some(({ request }) => request.requestId === requestId));
}

/** Waits for people, gets a refusal, a yes by update and a yes by signal. */
async function approval(): Promise<void> {
  await belt.start(await belt.project('asked', { approval: people }));
  await waiting('asked/1');
  await esteira.decide('asked/1', { approved: true, by: 'eve', reason: 'let me' });
  await esteira.decide('asked/1', { approved: true, by: 'ada', reason: 'fine' });
  await until(async () => (await esteira.approval('asked/1')).decisions.length === 1);
  await record('mid-approval', 'lifecycle/asked/1', 'approval/asked/1', 'model/asked');
  const yes = { approved: true, by: 'bob', reason: 'fine' };
  await client.workflow.getHandle('approval/asked/1').signal(decideSignal, yes);
  assert.equal((await esteira.outcome('lifecycle/asked/1')).status, 'deployed');
  await record('approved', 'lifecycle/asked/1', 'approval/asked/1', 'rollout/asked/1', 'model/asked');
}

async function training(): Promise<void> {
  const run = await belt.start(await belt.project('trained', { trainer: long }));
  await until(
    async () => ((await readJson(esteira.store, checkpointKey(run), CheckpointRecord))?.value.step ?? 0) > 0,
  );
  await record('mid-training', run, 'model/trained');
  await esteira.cancel(run);
  await assert.rejects(esteira.outcome(run));
  await record('cancelled', run, 'model/trained');
}

async function rollouts(): Promise<void> {
  const folders = await belt.project('rolled', { rollout: canary });
  await esteira.outcome(await belt.start(folders));
  const second = await belt.start(folders);
  await until(async () => (await esteira.describe('rolled'))?.slots?.challenger?.share === 0.5);
  await record('mid-rollout', second, 'rollout/rolled/2', 'model/rolled');
  assert.equal((await esteira.outcome(second)).status, 'deployed');
  assert.equal((await esteira.rollback('rolled', 'bob', 'a drill')).accepted, true);
  const from = Date.parse(january.until) - 3_600_000;
  const window = { from: new Date(from).toISOString(), until: january.until };
  await esteira.tick('rolled', window);
  await record('rolled-back', second, 'rollout/rolled/2', 'model/rolled', `monitor/rolled/${january.until}`);
}

/** Unseen beside the champion, paused, and taken back by a person. */
async function steered(): Promise<void> {
  const shadow = { strategy: 'shadow-then-canary' as const, shadow: { share: 0.5, bake: '1h' } };
  const folders = await belt.project('steered', { rollout: { ...canary, ...shadow } });
  await esteira.outcome(await belt.start(folders));
  const second = await belt.start(folders);
  await until(async () => (await esteira.describe('steered'))?.slots?.challenger?.shadow === 0.5);
  await record('mid-shadow', second, 'rollout/steered/2', 'model/steered');
  await sayToRollout(esteira, 'steered', 'pause', { by: 'ana', reason: 'a drill' });
  await record('paused', 'rollout/steered/2');
  await sayToRollout(esteira, 'steered', 'abort', { by: 'ana', reason: 'a drill', quarantine: true });
  assert.equal((await esteira.outcome(second)).status, 'rolled-back');
  await letGo(esteira, 'steered', { version: 2, by: 'ana', reason: 'it was a drill' });
  await record('released', second, 'rollout/steered/2', 'model/steered');
}

/** Trials under way and done, and the version that they made, once more. */
async function searches(): Promise<void> {
  const trainer = { backend: 'onnx' as const, epochs: 60, patience: 60, batchSize: 32 };
  const run = await belt.start(await belt.project('searched', { trainer, search }));
  const trials = client.workflow.getHandle(searchWorkflowId(run));
  await until(async () => {
    const view = await trials.query<SearchView>('search').catch(() => undefined); // it may not have begun
    return view !== undefined && view.done > 0 && view.done < search.trials;
  });
  await record('mid-search', run, searchWorkflowId(run), 'model/searched');
  assert.equal((await esteira.outcome(run)).status, 'deployed');
  await record('searched', run, searchWorkflowId(run), 'model/searched');
  await reproduce(esteira, 'searched/1');
  for await (const { workflowId } of client.workflow.list({ query: "WorkflowType = 'reproduction'" }))
    await record('reproduced', workflowId);
}

/** Results used again; a queue that nobody serves, until a cpu worker takes over. */
async function reuses(): Promise<void> {
  const folders = await belt.project('reused', { reuse: true });
  await esteira.outcome(await belt.start(folders));
  const second = await belt.start(folders);
  assert.equal((await esteira.outcome(second)).status, 'deployed');
  await record('reused', second, 'model/reused');
}

async function queues(): Promise<void> {
  const device = { device: 'gpu' as const, fallback: 'cpu' as const, fallbackAfter: '8s' };
  const trainer = { backend: 'onnx' as const, epochs: 2, batchSize: 128, ...device };
  const run = await belt.start(await belt.project('queued', { trainer }));
  await until(async () => (await esteira.look(run)).progress.waitsFor !== null);
  await record('mid-queue', run, 'model/queued');
  assert.equal((await esteira.outcome(run)).status, 'deployed');
  await record('fell-back', run, 'model/queued');
}

/** An entity that continues as new every 40 events, with a run in flight and one that waits. */
async function continued(): Promise<void> {
  const project = await belt.project('ageless', { approval: people });
  const setup = await pinnedSetup(esteira.store, project);
  const ask = (n: number) =>
    client.workflow.executeUpdateWithStart(triggerUpdate, {
      args: [
        { trigger: { id: `t${n}`, kind: 'manual', by: 'ana', reason: `${n}`, at: january.until }, setup },
      ],
      startWorkflowOperation: new WithStartWorkflowOperation<typeof modelWorkflow>('model', {
        ...{ workflowId: modelWorkflowId('ageless'), taskQueue: taskQueues.cpu, args: ['ageless', 40] },
        workflowIdConflictPolicy: 'USE_EXISTING',
      }),
    });
  const runs = new Set<string>();
  for (let n = 1; runs.size < 3; n++) {
    await ask(n);
    runs.add((await client.workflow.getHandle('model/ageless').describe()).runId);
  }
  await mkdir(join(folder, 'continued'), { recursive: true });
  for (const [i, runId] of [...runs].slice(0, 2).entries()) {
    const history = await client.workflow.getHandle('model/ageless', runId).fetchHistory();
    await writeFile(join(folder, 'continued', `model~ageless-${i + 1}.json`), historyToJSON(history), {
      flag: 'wx',
    });
    console.log(`continued/model~ageless-${i + 1}.json: ${history.events?.length} events`);
  }
}

/** Rows that are being scored; then all of them. */
async function scoring(): Promise<void> {
  await esteira.outcome(await belt.start(await belt.project('scorer')));
  const [input, output] = [join(belt.home, 'rows.csv'), join(belt.home, 'scored')];
  await writeFile(input, `x,city\n${'0.5,ATL\n'.repeat(2_000_000)}`);
  const scoreId = await startScore(esteira, 'scorer@champion', input, output, { by: 'ana', parallel: 1 });
  await until(async () => (await scoreLook(esteira, scoreId)).progress.state === 'scoring');
  await record('mid-score', scoreId);
  await scoreOutcome(esteira, scoreId);
  await record('scored', scoreId);
}

/** A model that nobody asks: its alert is told to a receiver that does not answer, and acknowledged; the past is made anew. */
async function watched(): Promise<void> {
  const sinks = [{ to: 'webhook' as const, url: 'http://127.0.0.1:9/hook' }];
  const project = await belt.project('watched', {
    alerts: { sinks },
    retrain: { debounce: '1h', cooldown: '1d' },
  });
  await esteira.outcome(await belt.start(project));
  const window = (n: number) => ({
    from: new Date(Date.parse(january.until) + n * 86_400_000).toISOString(),
    until: new Date(Date.parse(january.until) + (n + 1) * 86_400_000).toISOString(),
  });
  const { tick } = await esteira.tick('watched', window(0));
  const delivery = `delivery/watched/${tick.tick}/webhook`;
  await until(async () => (await alertList(esteira.store, 'watched')).undelivered.length > 0);
  await changeAlert(esteira, 'acknowledge', {
    model: 'watched',
    alert: 'silence',
    by: 'ada',
    reason: 'on it',
  });
  await record('watched', `monitor/watched/${window(0).until}`, 'alerts/watched');
  await record('mid-delivery', delivery);
  const plan = { from: window(0).from, until: window(3).until, parallel: 2 };
  const backfillId = await startBackfill(esteira, 'watched', plan);
  for await (const _ of followBackfill(esteira, backfillId));
  await record('backfilled', backfillId);
  const trigger = { kind: 'drift' as const, by: 'monitor', reason: 'drift of x', at: window(9).until };
  assert.equal((await esteira.trigger('watched', { ...trigger, id: 'drift/watched/1' })).status, 'waiting');
  await record('waiting', 'model/watched');
}

try {
  await Promise.all([
    approval(),
    training(),
    rollouts(),
    continued(),
    searches(),
    reuses(),
    queues(),
    steered(),
    scoring(),
    watched(),
  ]);
} finally {
  await belt.close();
}
