/** Leases: the sequence only grows, and an attempt that begins after a later one has begun gets none. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { recorded, recordKey, StageRecord } from '../../activities/record.ts';
import { takeLease } from '../../activities/lease.ts';
import type { Lease } from '../../activities/lease.ts';
import type { Input, Output } from '../../contracts/lifecycle.ts';
import { readJson } from '../../infra/store/json.ts';
import { january, openBench, project } from '../support/stage.ts';
import type { Bench } from '../support/stage.ts';

let bench: Bench;
before(async () => (bench = await openBench()));
after(() => bench.close());

/** As the server would start an attempt that it scheduled at this second. */
const attempt = (second: number, number = second) =>
  new MockActivityEnvironment({ attempt: number, currentAttemptScheduledTimestampMs: second * 1_000 });
const take = (env: MockActivityEnvironment, run = 1): Promise<Lease> =>
  env.run(() => takeLease(bench.store, `lifecycle/m/${run}`, 'train'));

test('each attempt gets the next number; a reset, which counts attempts anew, too', async () => {
  assert.equal((await take(attempt(1))).seq, 1);
  assert.equal((await take(attempt(2))).seq, 2);
  assert.equal((await take(attempt(3, 1))).seq, 3);
});

test('an attempt that a stopped worker was given, and begins after a later one, gets none', async () => {
  await take(attempt(1), 2);
  await take(attempt(3), 2);
  await assert.rejects(take(attempt(2), 2), /too late, lease 2 has taken over/);
  assert.equal((await take(attempt(4), 2)).seq, 3);
});

test('a late attempt may finish its work, and not file it', async () => {
  const artifact = await bench.pin(project());
  const input: Input<'ingest'> = { lifecycleId: 'lifecycle/m/3', project: artifact, window: january };
  const output = (rows: number): Output<'ingest'> => ({
    name: 'm',
    digest: artifact.sha256,
    manifest: artifact,
    rows,
  });
  let begin!: () => void;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  let goOn!: () => void;
  const held = new Promise<void>((resolve) => (goOn = resolve));
  const file = (env: MockActivityEnvironment, rows: number, wait?: Promise<void>) =>
    env.run(() =>
      recorded(bench.store, 'ingest', input, async () => {
        begin();
        await wait;
        return { output: output(rows), inputs: {}, details: {} };
      }),
    );
  const slow = file(attempt(1), 1, held);
  await begun;
  await file(attempt(2), 2);
  goOn();
  await assert.rejects(slow, /too late, lease 2 has taken over/);
  const record = await readJson(bench.store, recordKey(input.lifecycleId, 'ingest'), StageRecord);
  assert.deepEqual([record?.value.seq, record?.value.output], [2, output(2)]);
});
