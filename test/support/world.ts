/**
 * A real Temporal server and real workflow code for one test file, with stand-in activities that
 * agree with everything; a test overrides the one it is about.
 *
 * Every run is remembered, so that the file can end by replaying each of them.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import type { AllActivities } from '../../contracts/activities.ts';
import type { ApprovalRecord } from '../../contracts/approval.ts';
import type { LifecyclePlan, Output } from '../../contracts/lifecycle.ts';
import type { Disposition, TriggerRequest } from '../../contracts/model.ts';
import type { RolloutRecord } from '../../contracts/rollout.ts';
import type { Slots, VersionRecord } from '../../contracts/serving.ts';
import { readConfig } from '../../infra/config.ts';
import { startDevServer } from '../../infra/dev-server.ts';
import { isAlive } from '../../infra/local.ts';
import { findLifecycle, modelsOf } from '../../infra/temporal.ts';
import { workflowBundle } from '../../infra/workflow-bundle.ts';
import { createWorkers } from '../../workers/queues.ts';
import { until } from './until.ts';

const digest = 'a'.repeat(64);
export const artifact = { uri: 'blobs/a', sha256: digest, bytes: 1, mediaType: 'application/octet-stream' };
export const dataset: Output<'ingest'> = { name: 'm', digest, manifest: artifact, rows: 100 };
export const scorecard: Output<'evaluate'> = {
  rows: 100,
  metrics: { roc_auc: { value: 0.9, low: 0.88, high: 0.92 } },
  gates: [{ metric: 'roc_auc', bound: 'min', limit: 0.6, value: 0.9, passed: true }],
  passed: true,
  gatesDigest: digest,
  scorecard: artifact,
  report: artifact,
};

/** What the stand-ins were told, for tests to look at. */
export interface Told {
  slots: Slots[];
  versions: VersionRecord[];
  records: ApprovalRecord[];
  rollouts: RolloutRecord[];
  dispositions: { request: TriggerRequest; disposition: Disposition }[];
}

export interface World {
  env: TestWorkflowEnvironment;
  told: Told;
  /** Stand-ins whose messages to model entities are real. */
  agreeable(): AllActivities;
  /** Runs `act` with a worker up that has these activities. */
  withWorker<T>(activities: AllActivities, act: () => Promise<T>): Promise<T>;
  /** Kills the server, and starts it again where it was, with what it knew, when `act` is over. */
  withoutServer<T>(act: () => Promise<T>): Promise<T>;
  /** Replays every run of this file; test/histories.test.ts replays the released ones, once for all. */
  replayAll(): Promise<void>;
  close(): Promise<void>;
}

/** @param limits dynamic config of the server, such as `limit.historyCount.suggestContinueAsNew` */
export async function openWorld(limits: Record<string, number> = {}): Promise<World> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const { cacheHome } = readConfig({});
  const bundle = await workflowBundle(join(tmpdir(), 'esteira-test-bundles'));
  const home = await mkdtemp(join(tmpdir(), 'esteira-world-'));
  // Not the library's own way to start one, which gives it five seconds.
  let server = await startDevServer({ home, cacheHome, settings: limits });
  const env = await TestWorkflowEnvironment.createFromExistingServer({ address: server.address });
  const told: Told = { slots: [], versions: [], records: [], rollouts: [], dispositions: [] };
  return {
    env,
    told,
    agreeable: () => agreeable(env, told),
    async withWorker(activities, act) {
      const [first, ...others] = await createWorkers({
        connection: env.nativeConnection,
        workflowBundle: bundle,
        activities,
        shutdownGraceTime: 0,
      });
      return first!.runUntil(() => others.reduce((inner, worker) => () => worker.runUntil(inner), act)());
    },
    async withoutServer(act) {
      const [port, uiPort] = [server.address, server.uiUrl].map((one) => Number(one.split(':').at(-1)));
      process.kill(server.pid, 'SIGKILL');
      await until(async () => !isAlive(server.pid));
      try {
        return await act();
      } finally {
        server = await startDevServer({ home, cacheHome, settings: limits, port: port!, uiPort: uiPort! });
      }
    },
    async replayAll() {
      const own = [];
      for await (const { workflowId, runId } of env.client.workflow.list()) {
        own.push({
          workflowId,
          history: await env.client.workflow.getHandle(workflowId, runId).fetchHistory(),
        });
      }
      assert.notEqual(own.length, 0, 'no run was found to replay');
      for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle: bundle }, own)) {
        assert.ifError(
          error && new Error(`${workflowId} no longer replays: ${error.message}`, { cause: error }),
        );
      }
    },
    async close() {
      await env.teardown();
      await server.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** Histories in protobuf JSON, one folder a release. An empty folder fails: the replay would prove nothing. */
export async function releasedHistories() {
  const root = fileURLToPath(new URL('../histories/', import.meta.url));
  const names = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.json'));
  assert.notEqual(names.length, 0, 'no released history in test/histories');
  return Promise.all(
    names.map(async (name) => ({
      file: name,
      workflowId: name
        .replace(/^.*\//, '') // the release, and since 0.2.0 the moment
        .replace(/\.json$/, '')
        .replaceAll('~', '/'),
      history: JSON.parse(await readFile(join(root, name), 'utf8')),
    })),
  );
}

function agreeable(env: TestWorkflowEnvironment, told: Told): AllActivities {
  const models = modelsOf(env.client);
  return {
    ingest: async () => dataset,
    validate: async () => ({ passed: true, broken: [], checks: 1, profile: artifact }),
    prepare: async () => ({ manifest: artifact, rows: { train: 70, validation: 10, holdout: 20 } }),
    trial: async ({ trial }) => ({ trial, state: 'done', value: trial, loss: trial }),
    chooseTrial: async () => ({ model: artifact, metrics: {}, steps: 1, seconds: 1 }),
    track: async () => null,
    staleTicks: async () => [],
    spent: async () => ({ runs: 0, seconds: 0, money: 0 }),
    compact: async () => ({ days: 0, files: 0, into: 0 }),
    awaitWorker: async () => ({ served: true, since: '2001-02-01T00:00:00.000Z' }),
    train: async () => ({ model: artifact, metrics: {}, steps: 1, seconds: 1 }),
    evaluate: async () => scorecard,
    deploy: async ({ lifecycleId, verdict }) => {
      const { model } = verdict.subject;
      const registration = { lifecycleId, package: artifact, onnx: artifact, verdict };
      const { version } = await models.update(model, 'register', registration, `register/${lifecycleId}`);
      return { version, package: artifact };
    },
    requestPromotion: ({ model, updateId, ...request }) =>
      models.update(model, 'requestPromotion', request, updateId),
    shift: ({ model, updateId, ...change }) => models.update(model, 'activate', change, updateId),
    quarantine: async ({ model, updateId, ...order }) => {
      await models.update(model, 'quarantine', order, updateId);
    },
    tellSettled: async ({ model, updateId, ...settled }) => {
      await models.update(model, 'settled', settled, updateId);
    },
    settle: async () => ({ ready: true, reason: 'ready' }),
    observe: async ({ share }) => ({
      ...{ share, rows: 200, requests: 200, errorRate: 0, latencyRatio: 1, agreement: 0.9 },
      healthy: true,
      reason: 'healthy',
    }),
    writeVersion: async (record) => void told.versions.push(record),
    writeSlots: async (slots) => void told.slots.push(slots),
    writeQuarantine: async () => {},
    writeRelease: async () => ({ barred: null }),
    recordRollout: async (record) => void told.rollouts.push(record),
    recall: async () => ({
      ...{ lifecycles: 0, versions: [], nextVersion: 1, slots: null, inFlight: null, waiting: [] },
    }),
    watch: async () => {},
    recordApproval: async (record) => (told.records.push(record), null),
    recordDisposition: async ({ request, disposition }) =>
      void told.dispositions.push({ request, disposition }),
    findDisposition: async ({ id }) =>
      told.dispositions.find(({ request }) => request.trigger.id === id)?.disposition ?? null,
    isRunning: async ({ lifecycleId }) => (await findLifecycle(env.client, lifecycleId))?.running ?? false,
    monitor: async ({ window }) => ({
      ...{ record: artifact, tick: 't', window, version: 1, rows: 10, worstPsi: null },
      alerts: [],
    }),
    notify: async () => {},
    tellAlerts: async () => ({ opened: 0, closed: 0, open: 0 }),
    recallAlerts: async () => null,
    recordAlerts: async () => null,
    resumeDeliveries: async () => 0,
    deliver: async () => ({ answer: '204' }),
    recordDelivery: async () => {},
    retrain: async () => [],
    planScore: async () => ({
      ...{ plan: artifact, digest, rows: 40, parts: 4, batches: 4, parallel: 2 },
    }),
    scoreBatch: async () => ({ rows: 10, parts: 1, found: 0 }),
    closeScore: async ({ request: { output, model, version } }) => ({
      ...{ output, model, version, rows: 40, parts: 4, found: 0, rowsWithoutPrediction: 0, manifest: digest },
    }),
    tidyScore: async () => {},
  };
}

/** A plan that nobody need approve, unless a test says so. */
export function plan(model: string, change: Partial<LifecyclePlan> = {}): LifecyclePlan {
  return {
    lifecycleId: `lifecycle/${model}/1`,
    model,
    project: artifact,
    window: { from: '2001-01-01T00:00:00.000Z', until: '2001-02-01T00:00:00.000Z' },
    trigger: { id: 't1', kind: 'manual', by: 'ana', reason: 'first run', at: '2001-02-01T00:00:00.000Z' },
    approval: { policy: { policy: 'auto' }, policyDigest: digest, auto: true, deadlineMs: 60_000 },
    bakes: [],
    monitorEveryMs: 86_400_000,
    device: 'cpu',
    overrideGates: false,
    shuffleLabels: false,
    ...change,
  };
}
