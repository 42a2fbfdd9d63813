/** What is too large to travel: each end of it has a name, says so in one sentence, and is not tried for ever. */
import assert from 'node:assert/strict';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Context } from '@temporalio/activity';
import { WorkflowFailedError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createTrain } from '../../activities/train/index.ts';
import { Esteira } from '../../client/index.ts';
import type { AllActivities } from '../../contracts/activities.ts';
import { failedWith, permanent, rootFailure } from '../../contracts/failures.ts';
import type { LifecycleOutcome } from '../../contracts/lifecycle.ts';
import { approvalWorkflowId, modelWorkflowId, taskQueues } from '../../contracts/search.ts';
import { payloadBounds, resultBytesAtMost } from '../../infra/payload-bounds.ts';
import { ProjectError } from '../../infra/project-file.ts';
import { decideUpdate } from '../../workflows/messages.ts';
import { openBelt, prepared, projectOf } from '../activities/prepare/belt.ts';
import { entity, setup, trigger } from '../support/entity.ts';
import { openBench, project } from '../support/stage.ts';
import type { Bench } from '../support/stage.ts';
import { until } from '../support/until.ts';
import { dataset, openWorld, plan } from '../support/world.ts';
import type { World } from '../support/world.ts';

const huge = 'x'.repeat(5 << 20);
let world: World;
let bench: Bench;
before(async () => {
  world = await openWorld();
  bench = await openBench();
});
after(async () => {
  await world.close();
  await bench.close();
});

/** A lifecycle whose `ingest` is this. @returns its outcome, or its failure at heart, and how often it was tried */
function ingesting(model: string, ingest: (attempt: number) => ReturnType<AllActivities['ingest']>) {
  let attempts = 0;
  const activities = { ...world.agreeable(), ingest: () => ingest(++attempts) };
  return world.withWorker(activities, async () => {
    const options = {
      workflowId: `lifecycle/${model}/1`,
      taskQueue: taskQueues.cpu,
      args: [plan(model)] as [unknown],
    };
    const ended = await world.env.client.workflow
      .execute<(input: unknown) => Promise<LifecycleOutcome>>('lifecycle', options)
      .catch((error: unknown) =>
        error instanceof WorkflowFailedError ? rootFailure(error.cause)! : assert.fail(String(error)),
      );
    return { attempts, ended };
  });
}

/** What the interceptor makes of an activity. */
function bounded(activity: () => unknown): Promise<unknown> {
  const { execute } = payloadBounds({ info: { activityType: 'tried' } } as Context).inbound!;
  return execute!({ args: [], headers: {} }, async () => activity());
}

const fail = (error: Error): never => {
  throw error;
};

test('a result that is too large ends the lifecycle by name, at the first attempt', async () => {
  const name = 'x'.repeat(resultBytesAtMost);
  const { attempts, ended } = await ingesting('large', async () => ({ ...dataset, name }));
  assert(ended instanceof ApplicationFailure);
  assert.deepEqual([attempts, ended.type, ended.nonRetryable], [1, 'ResultTooLarge', true]);
  assert.match(
    ended.message,
    /^ingest gives back 262\d{3} bytes; 262144 are the most, larger things go to the store$/,
  );
});

test('a permanent failure of five megabytes stays that failure, cut short, and is not retried', async () => {
  const { attempts, ended } = await ingesting('wordy', async () => {
    throw permanent('QueryFailed', huge, { query: huge });
  });
  assert(ended instanceof ApplicationFailure);
  assert.deepEqual([attempts, ended.type, ended.nonRetryable], [1, 'QueryFailed', true]);
  assert.equal(ended.message.length, 8_001);
  assert.deepEqual(ended.details, ['too long to carry']);
});

test('an error of five megabytes, and its cause of another five, are retried as any other', async () => {
  const { attempts, ended } = await ingesting('passing', async (attempt) => {
    if (attempt === 1) throw new Error(huge, { cause: new Error(huge) });
    if (attempt === 2) throw ApplicationFailure.retryable(huge, 'Busy', huge);
    return dataset;
  });
  assert('status' in ended);
  assert.deepEqual([attempts, ended.status], [3, 'deployed']);
});

test('the very error goes on: only what is too long of it is cut, down to its causes', async () => {
  const frames = /\n +at /;
  const cause = new Error(huge, { cause: huge });
  const plain = new TypeError(huge, { cause });
  await assert.rejects(
    bounded(() => fail(plain)),
    (error) => error === plain,
  );
  assert(plain.message.length < 9_000 && cause.message.length < 9_000);
  assert(plain.stack!.length < 17_000 && frames.test(plain.stack!), 'the stack keeps its frames');
  assert.equal((cause.cause as string).length, 8_001);

  const later = ApplicationFailure.create({
    type: 'Busy',
    nextRetryDelay: '3s',
    details: [1n],
    cause: plain,
  });
  await assert.rejects(
    bounded(() => fail(later)),
    (error) => error === later,
  );
  assert.deepEqual([later.details, later.nextRetryDelay, later.cause], [['too long to carry'], '3s', plain]);

  const round = new Error('round');
  round.cause = round;
  await assert.rejects(
    bounded(() => fail(round)),
    /round/,
  );
});

test('a result is measured as it travels', async () => {
  assert.equal(await bounded(() => undefined), undefined);
  const bytes = new Uint8Array(resultBytesAtMost);
  assert.equal(await bounded(() => bytes), bytes);
  await assert.rejects(
    bounded(() => new Uint8Array(resultBytesAtMost + 1)),
    (error) => failedWith(error, 'ResultTooLarge'),
  );
  await assert.rejects(
    bounded(() => 'é'.repeat(resultBytesAtMost / 2)), // two bytes each, and the quotes
    (error) => failedWith(error, 'ResultTooLarge'),
  );
  await assert.rejects(
    bounded(() => ({ rows: 1n })),
    /Unable to convert/,
  );
});

test('a trainer that reports ten thousand metrics makes no large heartbeat', async () => {
  const belt = await openBelt();
  const rows = `SELECT i AS id, TIMESTAMP '2001-01-01' + to_minutes(i) AS at, CAST(i AS DOUBLE) AS x, i % 2 = 0 AS late
    FROM range(200) AS r(i)`;
  const made = await prepared(belt, projectOf({ features: { x: {} } }), rows);
  const metrics = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`metric_${i}`, i]));
  const events = async function* () {
    for (const step of [1, 2, 3]) yield { event: 'progress', step, steps: 3, metrics };
  };
  const exited = Promise.resolve({ code: 1, signal: null });
  const forkModule = () => ({ pid: 0, events: events(), exited, kill: async () => {}, finish: () => {} });
  const { train } = createTrain({ ...belt, forkModule });
  const env = new MockActivityEnvironment();
  const beats: number[] = [];
  env.on('heartbeat', (details: unknown) => beats.push(JSON.stringify(details).length));
  const input = { lifecycleId: 'lifecycle/tested/1', project: made.project, prepared: made.prepared };
  await assert.rejects(env.run(train as never, input), (error) => failedWith(error, 'TrainerFailed'));
  assert.equal(beats.length, 3);
  assert(Math.max(...beats) < 4_096, `${Math.max(...beats)} bytes`);
  await rm(belt.folder, { recursive: true });
});

/** One sentence that names the field and the most it takes. */
function refusedBy(expected: RegExp) {
  return (error: unknown): boolean => {
    const said = error instanceof WorkflowUpdateFailedError ? rootFailure(error.cause)! : (error as Error);
    assert.match(said.message, expected);
    assert(said.message.length < 300, 'more than a sentence');
    return true;
  };
}

const crowd = (count: number) => Array.from({ length: count }, (_, i) => `person-${i}@example.org`);
const policyOf = (people: string[]) =>
  ({ policy: 'people', need: { risk: 1 }, people: { risk: people } }) as const;

test('a project with more than can travel is refused before anything starts, with the field to mend', async () => {
  const { client } = world.env;
  const esteira = new Esteira(client, bench.store);
  const many = (count: number, value: unknown) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`c${i}`, value]));
  const refused: [change: object, expected: RegExp][] = [
    [{ approval: policyOf(crowd(1_001)) }, /approval\.people is .*; must name at most 1000 people in all/],
    [{ approval: policyOf(['x'.repeat(101)]) }, /approval\.people\.risk\[0\] is .*<=100 characters/],
    [{ approval: { ...policyOf(['ana']), people: many(51, ['ana']) } }, /must have at most 50 roles/],
    [{ sources: many(101, { path: 'rows.csv' }) }, /sources is .*; must have at most 100 sources/],
    [{ features: many(5_001, {}) }, /features is .*; must have at most 5000 features/],
    [{ gates: many(101, { min: 0 }) }, /gates is .*; must have at most 100 gates/],
  ];
  for (const [change, expected] of refused) {
    await bench.write('esteira.yaml', JSON.stringify({ ...project({ model: 'crowded' }), ...change }));
    const asked = esteira.run(bench.folder, { by: 'ana' });
    await assert.rejects(asked, (error) => error instanceof ProjectError && refusedBy(expected)(error));
  }
  await assert.rejects(client.workflow.getHandle(modelWorkflowId('crowded')).describe(), /not found/i);
});

test('a message that is too large is refused by whoever reads it, and costs the model nothing', async () => {
  const { client } = world.env;
  const esteira = new Esteira(client, bench.store);
  const wordy = 'x'.repeat(2_001);
  const said = /reason: Too big: expected string to have <=2000 characters/;
  await world.withWorker(world.agreeable(), async () => {
    const { ask, handle, outcome } = entity(world, 'spoken');
    await assert.rejects(ask(trigger({ reason: wordy })), refusedBy(said));
    const setupOf = (people: string[]) => setup('spoken', { policy: policyOf(people) as never });
    await assert.rejects(ask(trigger(), setupOf(crowd(1_001))), refusedBy(/must name at most 1000 people/));
    await assert.rejects(esteira.trigger('spoken', trigger({ reason: wordy })), refusedBy(said));
    await assert.rejects(async () => esteira.rollback('spoken', 'ana', wordy), refusedBy(said));

    const started = await ask(trigger(), setupOf(['bo', ...crowd(999)]));
    assert.equal(started.status, 'started', 'a thousand are taken');
    await until(async () => (await esteira.approvals()).length === 1);
    const decision = { approved: true, by: 'bo', reason: wordy };
    await assert.rejects(esteira.decide('spoken/1', decision), refusedBy(said));
    const raw = client.workflow.getHandle(approvalWorkflowId('spoken/1'));
    await assert.rejects(raw.executeUpdate(decideUpdate, { args: [decision] }), refusedBy(said));
    assert((await esteira.decide('spoken/1', { ...decision, reason: 'good' })).accepted);
    assert.equal((await outcome(started)).status, 'deployed');
    const { historyLength } = await handle.describe();
    assert(historyLength < 150, `${historyLength} events: refusals leave none`);
    await entity(world, 'spoken').idle();
  });
});

test('no activity of the recorded demo gives back more than 64 KB', async () => {
  const root = fileURLToPath(new URL('../histories/', import.meta.url));
  const names = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.json'));
  let results = 0;
  for (const name of names) {
    const { events } = JSON.parse(await readFile(join(root, name), 'utf8')) as Recorded;
    for (const { activityTaskCompletedEventAttributes: done } of events) {
      for (const { data } of done?.result?.payloads ?? []) {
        results++;
        const bytes = Buffer.byteLength(data ?? '', 'base64');
        assert(bytes <= 65_536, `${name}: ${bytes} bytes`);
      }
    }
  }
  assert(results > 50, `only ${results} results were looked at`);
});

interface Recorded {
  events: { activityTaskCompletedEventAttributes?: { result?: { payloads?: { data?: string }[] } } }[];
}

test('replay: this code retells every run of this file', () => world.replayAll());
