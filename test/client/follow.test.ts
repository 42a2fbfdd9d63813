import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LifecycleProgress } from '../../contracts/lifecycle.ts';
import { hintOf, Lines } from '../../client/follow.ts';
import type { Look } from '../../client/index.ts';
import { rolloutWork } from '../../client/rollout-work.ts';
import { Work } from '../../client/work.ts';
import { artifact } from '../support/world.ts';

const start = Date.parse('2001-02-01T00:00:00Z');

function look(progress: Partial<LifecycleProgress>, working?: Record<string, unknown>): Look {
  const at = {
    lifecycleId: 'lifecycle/m/1',
    stage: 'ingest' as const,
    waitsFor: null,
    done: [],
    outcome: null,
  };
  return { progress: { ...at, ...progress }, working, closed: progress.outcome !== undefined };
}

/** Lines over a script of looks, each at a second of its own. */
function linesOf(script: [second: number, look: Look][]): string[] {
  let [written, now] = ['', start];
  const lines = new Lines(
    (text) => void (written += text),
    () => now,
  );
  for (const [second, one] of script) {
    now = start + second * 1_000;
    lines.show(one);
  }
  return written.trimEnd().split('\n');
}

test('a line when a stage ends, when it waits, and when all is over; none twice', () => {
  const ingested = { stage: 'ingest' as const, result: '9 rows', seconds: 1.25 };
  const waits = look({ stage: 'approve', waitsFor: 'approval m/1', done: [ingested] });
  const approved = [ingested, { stage: 'approve' as const, result: 'approved by ana', seconds: 90 }];
  assert.deepEqual(
    linesOf([
      [0, look({})],
      [1, look({ stage: 'validate', done: [ingested] })],
      [2, waits],
      [3, waits],
      [93, look({ stage: 'done', done: approved, outcome: 'deployed' })],
      [94, { ...look({ stage: 'done', done: approved, outcome: 'deployed' }), closed: true }],
    ]),
    [
      '00:00:01 ingest   9 rows (1.3 s)',
      '00:00:02 approve  waits for approval m/1',
      '00:00:02          esteira approve m/1 --reason "…"   (or reject; the report: esteira approvals)',
      '00:01:33 approve  approved by ana (1 min 30 s)',
      '00:01:33 done     deployed',
    ],
  );
});

test('work in progress is told at most every five seconds', () => {
  const training = (step: number) => look({ stage: 'train' }, { step, steps: 100, metrics: {} });
  const script = Array.from({ length: 13 }, (_, i): [number, Look] => [i, training(i * 2)]);
  assert.deepEqual(linesOf(script), [
    '00:00:06 train    step 12 of 100, 44.0 s left',
    '00:00:12 train    step 24 of 100, 38.0 s left',
  ]);
});

test('who joins half way is told the speed of now, not of the whole', () => {
  const work = new Work();
  const at = (step: number) =>
    look({ stage: 'train' }, { step, steps: 1_000, metrics: { train_loss: 0.43123 } });
  assert.equal(work.text(at(500), start), 'step 500 of 1,000, train_loss 0.4312');
  assert.equal(work.text(at(600), start + 10_000), 'step 600 of 1,000, train_loss 0.4312, 40.0 s left');
});

test('a training on devices says on what it runs, and how busy that is', () => {
  const working = { step: 5, steps: 10, device: 'cuda', use: { utilization: 0.943, memoryBytes: 31.2e9 } };
  assert.equal(
    new Work().text(look({ stage: 'train' }, working), start),
    'step 5 of 10, on cuda, device 94 % busy, 31.2 GB',
  );
});

test('rows come with their speed, which begins anew with each thing done', () => {
  const work = new Work();
  const at = (doing: string, rows: number) => look({ stage: 'evaluate' }, { doing, rows, of: 9_000 });
  work.text(at('scoring', 1_000), start);
  assert.equal(
    work.text(at('scoring', 3_000), start + 2_000),
    'scoring, 3,000 of 9,000 rows, 1,000 rows/s, 6.0 s left',
  );
  assert.equal(work.text(at('sorting', 4_000), start + 4_000), 'sorting, 4,000 of 9,000 rows');
});

test('a training that has not begun, or says nothing, shows no numbers', () => {
  const work = new Work();
  assert.equal(work.text(look({ stage: 'train' }, { step: 0, steps: 0, metrics: {} }), start), '');
  assert.equal(work.text(look({}), start), '');
});

test('only a wait for people has a hint', () => {
  assert.equal(hintOf(look({ waitsFor: null })), '');
  assert.match(hintOf(look({ waitsFor: 'approval m/1' })), /^esteira approve m\/1 /);
});

test('a bake says the share of traffic and when it ends; another version says nothing', () => {
  const slots = (share: number) => ({
    ...{ model: 'm', epoch: 3, champion: null, previous: null, reason: '', by: '' },
    challenger: { version: 2, package: artifact, share },
    at: '2001-02-01T00:00:00.000Z',
  });
  const described = (share: number, lifecycleId = 'lifecycle/m/2') =>
    ({
      slots: slots(share),
      versions: [{ version: 2, lifecycleId }],
      setup: { bakes: [{ share: 0.1, bakeMs: 60_000 }] },
    }) as unknown as Parameters<typeof rolloutWork>[0];
  const baking = rolloutWork(described(0.1), 'lifecycle/m/2');
  assert.deepEqual(baking, {
    doing: 'version 2 takes 10 % of the traffic',
    until: '2001-02-01T00:01:00.000Z',
  });
  assert.equal(
    new Work().text(look({ stage: 'deploy' }, { ...baking }), start + 20_000),
    'version 2 takes 10 % of the traffic, 40.0 s left',
  );
  assert.match(rolloutWork(described(0), 'lifecycle/m/2')!.doing, /loads everywhere/);
  assert.equal(rolloutWork(described(0.1, 'lifecycle/m/1'), 'lifecycle/m/2'), undefined);
});
