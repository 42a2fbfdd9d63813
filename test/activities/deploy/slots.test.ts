/** Slots where they take effect: the epoch fences, and only what was approved may serve. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createApprove } from '../../../activities/approve/index.ts';
import { writeSlots, writeVersion } from '../../../activities/deploy/slots.ts';
import { writeQuarantine } from '../../../activities/deploy/bars.ts';
import type { z } from 'zod';
import type { ApprovalRecord, Subject, Verdict } from '../../../contracts/approval.ts';
import { failedWith } from '../../../contracts/failures.ts';
import type { ApprovalPolicy } from '../../../contracts/project.ts';
import type { Package, Slots } from '../../../contracts/serving.ts';
import { Slots as SlotsSchema } from '../../../contracts/serving.ts';
import { createJson, putJsonBlob, readJson } from '../../../infra/store/json.ts';
import { january, openBench, project } from '../../support/stage.ts';
import type { Bench } from '../../support/stage.ts';

let bench: Bench;
let models = 0;
const told: object[] = [];
const deps = () => ({ store: bench.store, log: { warn: (about: object) => void told.push(about) } });
before(async () => (bench = await openBench()));
after(() => bench.close());

const at = '2001-02-01T00:00:00.000Z';
const policy = {
  policy: 'people' as const,
  need: { risk: 1 },
  people: { risk: ['ada'] },
} satisfies z.input<typeof ApprovalPolicy>;

/** A registered version of a fresh model, and the records of its approval as a test wants them. */
async function version(
  records: (subject: Subject) => Partial<ApprovalRecord>[],
  verdictPolicy: 'people' | 'auto' = 'people',
  need = 1,
) {
  const model = `slots-${++models}`;
  const pinned = await bench.pin(project({ model, approval: { ...policy, need: { risk: need } } }));
  const onnx = await bench.store.putBlob(`onnx of ${model}`, 'application/onnx');
  const other = await bench.store.putBlob('{}', 'application/json');
  const requestId = `${model}/1`;
  const lifecycleId = `lifecycle/${model}/1`;
  const made: Package = {
    ...{
      model,
      task: 'binary-classification',
      onnx,
      golden: other,
      card: other,
      scorecard: other,
      report: other,
    },
    signature: {
      task: 'binary-classification',
      inputs: [{ name: 'x', datatype: 'FP64', shape: [-1] }],
      outputs: [{ name: 'probability', datatype: 'FP32', shape: [-1] }],
      classes: [],
    },
    ...{
      reference: [],
      metrics: {},
      lifecycleId,
      datasetDigest: 'c'.repeat(64),
      window: january,
      project: pinned,
    },
  };
  const subject: Subject = {
    model,
    modelDigest: onnx.sha256,
    datasetDigest: made.datasetDigest,
    scorecardDigest: other.sha256,
    policyDigest: 'b'.repeat(64),
  };
  const stored = await putJsonBlob(bench.store, made);
  const { recordApproval } = createApprove(bench);
  for (const [i, record] of records(subject).entries()) {
    await recordApproval({
      requestId,
      n: i + 1,
      at,
      kind: 'requested',
      by: 'ana',
      reason: 'x',
      subject,
      ...record,
    });
  }
  const verdict: Verdict = {
    requestId,
    status: 'approved',
    policy: verdictPolicy,
    decisions: [],
    subject,
    at,
  };
  await writeVersion(bench.store, {
    model,
    version: 1,
    package: stored,
    lifecycleId,
    registeredAt: at,
    verdict,
  });
  const slots = (epoch: number, reason = 'promote'): Slots => ({
    ...{ model, epoch, champion: { version: 1, package: stored }, challenger: null, previous: null },
    ...{ reason, by: 'rollout', rollout: 'run-1', at },
  });
  return { model, slots, stored, verdict, lifecycleId };
}

const approved = (): Partial<ApprovalRecord>[] => [
  { kind: 'requested' },
  { kind: 'decision', by: 'ada', approved: true },
  { kind: 'verdict', by: 'esteira', approved: true },
];
const refused = (write: Promise<void>, why: RegExp) =>
  assert.rejects(write, (error) => failedWith(error, 'NotApproved') && why.test((error as Error).message));

test('an approved version serves; the same write again is the same write', async () => {
  const { model, slots } = await version(approved);
  await writeSlots(deps(), slots(1));
  await writeSlots(deps(), slots(1));
  const current = await readJson(bench.store, `models/${model}/current.json`, SlotsSchema);
  assert.deepEqual(current?.value, slots(1));
});

test('a late epoch, and another change of the same epoch, are refused', async () => {
  const { slots } = await version(approved);
  await writeSlots(deps(), slots(2));
  for (const late of [slots(1), slots(2, 'something else')]) {
    await assert.rejects(writeSlots(deps(), late), (error) => failedWith(error, 'StaleEpoch'));
  }
  assert.equal(told.length, 2, 'and the log says so');
});

test('an epoch that was filed but not made current is finished by who tries again', async () => {
  const { model, slots } = await version(approved);
  await bench.store.create(`models/${model}/slots/1.json`, JSON.stringify(slots(1)));
  await writeSlots(deps(), slots(1));
  assert.ok(await bench.store.read(`models/${model}/current.json`));
});

test('no verdict, a rejection, a forged yes and a missing decision do not serve', async () => {
  const cases: [Partial<ApprovalRecord>[], RegExp][] = [
    [[], /did not end in a yes/],
    [[{ kind: 'verdict', approved: false }], /did not end in a yes/],
    [[{ kind: 'verdict', approved: true }], /lacks decisions/],
    [
      [
        { kind: 'decision', by: 'mallory', approved: true },
        { kind: 'verdict', approved: true },
      ],
      /lacks decisions/,
    ],
  ];
  for (const [records, why] of cases) {
    const { slots } = await version(() => records);
    await refused(writeSlots(deps(), slots(1)), why);
  }
});

test('one person twice is one person', async () => {
  const twice = [...approved().slice(0, 2), ...approved().slice(1)];
  const { slots } = await version(() => twice, 'people', 2);
  await refused(writeSlots(deps(), slots(1)), /lacks decisions/);
});

test('a yes that a reset workflow filed after a no does not serve', async () => {
  const no = { kind: 'decision', by: 'ada', approved: false } as const;
  const { slots } = await version(() => [no, { kind: 'verdict', approved: false }, ...approved().slice(1)]);
  await refused(writeSlots(deps(), slots(1)), /did not end in a yes/);
});

test('an approval carries one rollout: a run that was reset cannot deploy again', async () => {
  const { slots } = await version(approved);
  await writeSlots(deps(), slots(1));
  const { champion } = slots(1);
  const again = { ...slots(2), champion: null, challenger: { ...champion!, share: 0 }, rollout: 'run-2' };
  await refused(writeSlots(deps(), again), /used at epoch 1 already/);
  await writeSlots(deps(), { ...again, rollout: 'run-1' });
  await refused(writeSlots(deps(), { ...again, epoch: 3, champion }), /cannot be its own challenger/);
});

test('what its rollout has taken back does not enter again: the entity was reset (seed 111)', async () => {
  const { slots } = await version(approved);
  const { champion } = slots(1);
  const loads = { ...slots(1), champion: null, challenger: { ...champion!, share: 0 } };
  await writeSlots(deps(), loads);
  await writeSlots(deps(), { ...loads, epoch: 2, challenger: null });
  await refused(writeSlots(deps(), { ...loads, epoch: 3 }), /used at epoch 1 already, and then taken back/);
});

test('who was killed between approval and slot has its turn, though somebody wrote meanwhile', async () => {
  const { model, slots } = await version(approved);
  const { rollout, ...bare } = slots(1);
  const spent = { requestId: `${model}/1`, model, version: 1, rollout, epoch: 1, at };
  assert(await createJson(bench.store, `spent/${model}/1.json`, spent));
  await writeSlots(deps(), { ...bare, champion: null });
  await writeSlots(deps(), slots(2));
});

test('a quarantined version enters no slot', async () => {
  const { model, slots } = await version(approved);
  await writeQuarantine(bench.store, { model, version: 1, by: 'ana', reason: 'bad' });
  await refused(writeSlots(deps(), slots(1)), /quarantined/);
});

test('without a rollout nothing enters but the champion before', async () => {
  const { slots } = await version(approved);
  const { rollout: _, ...bare } = slots(1);
  await refused(writeSlots(deps(), bare), /no rollout brings it/);
  await writeSlots(deps(), slots(1));
  const { champion } = slots(1);
  await writeSlots(deps(), { ...bare, epoch: 2, champion: null, previous: champion });
  await writeSlots(deps(), { ...bare, epoch: 3 });
});

test('a yes for another model does not serve', async () => {
  const { slots } = await version((subject) =>
    approved().map((record) => ({ ...record, subject: { ...subject, modelDigest: 'd'.repeat(64) } })),
  );
  await refused(writeSlots(deps(), slots(1)), /other digests/);
});

test('a verdict that claims "auto" under a policy that asks people does not serve', async () => {
  const { slots } = await version(() => [{ kind: 'verdict', approved: true }], 'auto');
  await refused(writeSlots(deps(), slots(1)), /asks people/);
});

test('a version number names one package for ever', async () => {
  const { model, stored, verdict, lifecycleId } = await version(approved);
  const another = { ...stored, sha256: 'e'.repeat(64) };
  const record = { model, version: 1, package: another, lifecycleId, registeredAt: at, verdict };
  await assert.rejects(writeVersion(bench.store, record), (error) => failedWith(error, 'StaleEpoch'));
});
