/**
 * The stages of one lifecycle while their store, or the disk, fails at the nth call: a failed attempt is worth
 * another, leaves nothing behind, and the next gives what an untouched one gives.
 */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { MockActivityEnvironment } from '@temporalio/testing';
import { ApplicationFailure } from '@temporalio/common';
import { DefaultLogger } from '@temporalio/worker';
import { createApprove } from '../../activities/approve/index.ts';
import { createDeploy } from '../../activities/deploy/index.ts';
import { createEvaluate } from '../../activities/evaluate/index.ts';
import { createIngest } from '../../activities/ingest/index.ts';
import { createPrepare } from '../../activities/prepare/index.ts';
import { createTrain } from '../../activities/train/index.ts';
import { createValidate } from '../../activities/validate/index.ts';
import type { ApprovalRecord, Verdict } from '../../contracts/approval.ts';
import type { Artifact } from '../../contracts/artifact.ts';
import type { Output, Stage } from '../../contracts/lifecycle.ts';
import type { Slots } from '../../contracts/serving.ts';
import { forkModule } from '../../infra/child.ts';
import { score } from '../../infra/onnx/score.ts';
import { breakFs, codes } from '../support/faulty-fs.ts';
import type { FaultyFs } from '../support/faulty-fs.ts';
import { faultyStore } from '../support/faulty-store.ts';
import type { FaultyStore } from '../support/faulty-store.ts';
import { csv, january, openBench, project } from '../support/stage.ts';
import type { Bench } from '../support/stage.ts';

/** Files that could not be deleted: of a living process, so swept when it has died. */
const owed = new Set<string>();
let bench: Bench;
let store: FaultyStore;
let disk: FaultyFs;
let activities: ReturnType<typeof create>;
let pinned: Artifact;
before(async () => {
  bench = await openBench();
  await bench.write('rows.csv', csv(600));
  pinned = await bench.pin(
    project({
      split: { by: 'random', seed: 1 },
      trainer: { backend: 'onnx', epochs: 1, batchSize: 64, seed: 1 },
    }),
  );
  store = faultyStore(bench.store);
  disk = breakFs(bench.folder);
  activities = create();
});
after(async () => {
  disk.restore();
  await bench.close();
});

function create() {
  const deps = { ...bench.deps, store, forkModule, score, schedule: async () => {} };
  return {
    ...{ ...createIngest(deps), ...createValidate(deps), ...createPrepare(deps), ...createTrain(deps) },
    ...{ ...createEvaluate(deps), ...createApprove(deps) },
    ...createDeploy({ ...deps, models: { update: async () => ({ version: 1 }) as never } }),
  };
}

const lifecycleId = 'lifecycle/m/1';
const common = () => ({ lifecycleId, project: pinned });
const made = {} as { [S in Stage]: Output<S> };
const requestId = 'm/1';
const at = january.until;
const subject = () => ({
  model: 'm',
  modelDigest: made.train.model.sha256,
  datasetDigest: made.ingest.digest,
  scorecardDigest: made.evaluate.scorecard.sha256,
  policyDigest: 'b'.repeat(64),
});
const record = (kind: ApprovalRecord['kind'], n: number): ApprovalRecord => ({
  ...{ requestId, n, at, kind, by: 'ana', reason: 'auto', subject: subject() },
  ...(kind === 'verdict' ? { approved: true } : {}),
});
const verdict = (): Verdict => ({
  ...{ requestId, status: 'approved', policy: 'auto', decisions: [], at, subject: subject() },
});
const version = () => ({ version: 1, package: made.deploy.package });
const slots = (): Slots => ({
  ...{ model: 'm', epoch: 1, champion: version(), challenger: null, previous: null },
  ...{ reason: 'first', by: 'rollout', rollout: 'run-1', at },
});

/** In the order of a lifecycle; `tries` bounds those that start processes of their own. */
const steps: { name: string; run(): Promise<unknown>; tries?: number }[] = [
  { name: 'ingest', run: () => activities.ingest({ ...common(), window: january }) },
  { name: 'validate', run: () => activities.validate({ ...common(), dataset: made.ingest }) },
  { name: 'prepare', run: () => activities.prepare({ ...common(), dataset: made.ingest }) },
  { name: 'train', tries: 3, run: () => activities.train({ ...common(), prepared: made.prepare }) },
  {
    name: 'evaluate',
    tries: 3,
    run: () => activities.evaluate({ ...common(), prepared: made.prepare, candidate: made.train }),
  },
  {
    name: 'deploy',
    tries: 3,
    run: () =>
      activities.deploy({
        ...{ ...common(), dataset: made.ingest, prepared: made.prepare, candidate: made.train },
        ...{ scorecard: made.evaluate, verdict: verdict(), window: january },
      }),
  },
  { name: 'asked', run: () => activities.recordApproval(record('requested', 1)) },
  { name: 'approved', run: () => activities.recordApproval(record('verdict', 2)) },
  {
    name: 'writeVersion',
    run: () =>
      activities.writeVersion({
        ...{ ...version(), model: 'm', lifecycleId, registeredAt: at, verdict: verdict() },
      }),
  },
  { name: 'writeSlots', run: () => activities.writeSlots(slots()) },
];

for (const { name, run, tries } of steps) {
  test(`${name}: the store or the disk fails at its nth call`, { timeout: 960_000 }, async () => {
    // First the faults, since what is there already takes another way.
    let count = tries ?? 1_000;
    for (let n = 1; n <= count; n++) {
      for (const kind of ['before', 'after'] as const) {
        store.arm({ kind, at: tries ? spread(n, tries) : n });
        await fails(`${name}: ${kind} call ${n} of the store`, run);
        if (store.calls < n) count = 0;
      }
    }
    store.arm();
    const output = await attempt(run);
    Object.assign(made, { [name]: output });
    disk.arm(1_000_000, 'EIO');
    await again(name, run, output);
    const calls = 1_000_000 - disk.left;
    disk.disarm();
    const step = Math.max(1, Math.floor(calls / (tries ?? 25)));
    for (let n = 1; n <= calls; n += step) {
      disk.arm(n, codes[n % codes.length]!);
      const failed = await fails(`${name}: call ${n} to the disk`, run, () => disk.disarm());
      await again(`${name} after call ${n}, ${failed}`, run, output);
    }
  });
}

/** The first few calls are reads of inputs and the lease: later ones tell more. */
const spread = (n: number, tries: number) => 1 + Math.round(((n - 1) * 9) / tries);

function attempt(run: () => Promise<unknown>): Promise<unknown> {
  return new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') }).run(run); // no word of each failure
}

/** @returns what `disarm` says was met */
async function fails(
  label: string,
  run: () => Promise<unknown>,
  disarm: () => string | undefined = () => undefined,
): Promise<string | undefined> {
  const error = await attempt(run).then(
    () => undefined,
    (failure: unknown) => failure,
  );
  const met = disarm();
  const final = error instanceof ApplicationFailure && error.nonRetryable === true;
  assert(!final, `${label}: ${String(error)}`);
  const left = [
    ...(await readdir(join(bench.folder, 'work')).catch(() => [])),
    ...(await readdir(join(bench.folder, 'store', '.tmp'))),
  ].filter((name) => !owed.has(name));
  if (met === 'unlink' || met === 'rm') left.forEach((name) => owed.add(name));
  else assert.deepEqual(left, [], `${label} (${met})`);
  return met;
}

async function again(label: string, run: () => Promise<unknown>, output: unknown): Promise<void> {
  const repeated = await attempt(run);
  assert(
    isDeepStrictEqual(timeless(repeated), timeless(output)),
    `${label}: ${JSON.stringify(repeated)} is not ${JSON.stringify(output)}`,
  );
}

function timeless(output: unknown): unknown {
  if (typeof output !== 'object' || output === null) return output;
  const { seconds: _, ...rest } = output as Record<string, unknown>;
  return rest;
}
