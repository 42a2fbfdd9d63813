/** Approvals on a real server: who counts, who does not, and that silence is not consent. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ApprovalRequest, Decision } from '../../contracts/approval.ts';
import type { ApprovalPolicy } from '../../contracts/project.ts';
import { approvalWorkflowId, taskQueues } from '../../contracts/search.ts';
import { approval } from '../../workflows/approval.ts';
import { approvalQuery, decideSignal, decideUpdate } from '../../workflows/messages.ts';
import { artifact, openWorld } from '../support/world.ts';
import type { World } from '../support/world.ts';
import { until } from '../support/until.ts';

let world: World;
let requests = 0;
before(async () => (world = await openWorld()));
after(() => world.close());

const twoOfThree: ApprovalPolicy = {
  policy: 'people',
  need: { risk: 2 },
  people: { risk: ['ada', 'bob', 'cleo', 'ana'] },
  deadline: '1d',
  requesterMayApprove: false,
  autoForRetrain: false,
};
const yes = (by: string): Decision => ({ approved: true, by, reason: 'beats the champion' });
const no = (by: string): Decision => ({ approved: false, by, reason: 'drifts in Denver' });

function ask(change: Partial<ApprovalRequest> = {}) {
  const requestId = `m/${++requests}`;
  const digest = 'b'.repeat(64);
  const request: ApprovalRequest = {
    requestId,
    lifecycleId: `lifecycle/${requestId}`,
    subject: {
      model: 'm',
      modelDigest: digest,
      datasetDigest: digest,
      scorecardDigest: digest,
      policyDigest: digest,
    },
    policy: twoOfThree,
    auto: false,
    requester: 'ana',
    report: artifact,
    summary: 'roc_auc 0.9',
    deadlineMs: 60_000,
    ...change,
  };
  return world.env.client.workflow.start(approval, {
    workflowId: approvalWorkflowId(requestId),
    taskQueue: taskQueues.cpu,
    args: [request],
  });
}

test('two different people of the role make a quorum', () =>
  world.withWorker(world.agreeable(), async () => {
    const handle = await ask();
    const first = await handle.executeUpdate(decideUpdate, { args: [yes('ada')] });
    assert.deepEqual(first, { accepted: true, verdict: 'pending', missing: '1 of risk' });
    const second = await handle.executeUpdate(decideUpdate, { args: [yes('bob')] });
    assert.deepEqual(second, { accepted: true, verdict: 'approved', missing: '' });
    const verdict = await handle.result();
    assert.equal(verdict.status, 'approved');
    assert.deepEqual(verdict.decisions, [yes('ada'), yes('bob')]);
  }));

test('the same person twice is no quorum, and the refusal is recorded', () =>
  world.withWorker(world.agreeable(), async () => {
    const handle = await ask({ deadlineMs: 2_000 });
    await handle.executeUpdate(decideUpdate, { args: [yes('ada')] });
    const again = await handle.executeUpdate(decideUpdate, { args: [yes('ada')] });
    assert.equal(again.accepted === false && again.code, 'already-decided-by-you');
    assert.equal((await handle.result()).status, 'expired');
    const requestId = handle.workflowId.slice('approval/'.length);
    const records = world.told.records.filter((one) => one.requestId === requestId);
    // By their numbers: two that are written at once are written in any order.
    const kinds = records.toSorted((one, two) => one.n - two.n).map((one) => one.kind);
    assert.deepEqual(kinds, ['requested', 'decision', 'refusal', 'verdict']);
  }));

test('who asked may not approve, unless the policy says so', () =>
  world.withWorker(world.agreeable(), async () => {
    const handle = await ask();
    const own = await handle.executeUpdate(decideUpdate, { args: [yes('ana')] });
    assert.equal(own.accepted === false && own.code, 'requester-may-not-approve');
    await handle.executeUpdate(decideUpdate, { args: [no('ada')] });
    assert.equal((await handle.result()).status, 'rejected');

    const lenient = await ask({ policy: { ...twoOfThree, need: { risk: 1 }, requesterMayApprove: true } });
    assert.equal((await lenient.executeUpdate(decideUpdate, { args: [yes('ana')] })).accepted, true);
  }));

test('somebody without the role is refused', () =>
  world.withWorker(world.agreeable(), async () => {
    const handle = await ask();
    const stranger = await handle.executeUpdate(decideUpdate, { args: [yes('mallory')] });
    assert.equal(stranger.accepted === false && stranger.code, 'not-an-approver');
    await handle.executeUpdate(decideUpdate, { args: [no('bob')] });
    assert.equal((await handle.result()).status, 'rejected');
  }));

test('a signal from the Web UI counts like an update; a malformed one does no harm', () =>
  world.withWorker(world.agreeable(), async () => {
    const handle = await ask();
    await handle.signal(decideSignal, { approved: 'perhaps' } as unknown as Decision);
    await handle.signal(decideSignal, yes('ada'));
    await handle.signal(decideSignal, yes('cleo'));
    assert.equal((await handle.result()).status, 'approved');
  }));

test('a malformed update is refused before it is written', () =>
  world.withWorker(world.agreeable(), async () => {
    const handle = await ask({ policy: { ...twoOfThree, need: { risk: 1 } } });
    await assert.rejects(
      handle.executeUpdate(decideUpdate, { args: [{ approved: true } as unknown as Decision] }),
    );
    await handle.executeUpdate(decideUpdate, { args: [yes('ada')] });
    await handle.result();
  }));

test('silence is not consent', () =>
  world.withWorker(world.agreeable(), async () => {
    const handle = await ask({ deadlineMs: 200, reminderMs: 50 });
    assert.equal((await handle.result()).status, 'expired');
  }));

test('ten answers at once make one verdict, and each is recorded once', () =>
  world.withWorker(world.agreeable(), async () => {
    const handle = await ask();
    const people = ['ada', 'bob', 'cleo', 'ada', 'bob', 'mallory', 'ana', 'cleo', 'ada', 'bob'];
    const receipts = await Promise.allSettled(
      people.map((by) => handle.executeUpdate(decideUpdate, { args: [yes(by)] })),
    );
    const accepted = receipts.filter((one) => one.status === 'fulfilled' && one.value.accepted);
    assert.equal(accepted.length, 2);
    const { decisions } = await handle.result();
    assert.equal(new Set(decisions.map(({ by }) => by)).size, 2);
  }));

test('the policy auto asks nobody, and the record says so', () =>
  world.withWorker(world.agreeable(), async () => {
    const verdict = await (await ask({ auto: true, policy: { policy: 'auto' } })).result();
    assert.equal(verdict.policy, 'auto');
    assert.equal(verdict.status, 'approved');
    assert.match(world.told.records.at(-1)!.reason, /asks nobody/);
  }));

test('cancelling the lifecycle withdraws the question', () =>
  world.withWorker(world.agreeable(), async () => {
    const handle = await ask();
    await until(async () => (await handle.query(approvalQuery)).status === 'pending');
    await handle.cancel();
    await assert.rejects(handle.result());
    assert.match(world.told.records.at(-1)!.reason, /withdrawn/);
  }));

test('who decides while the question is withdrawn is told so, and the verdict is the last word but for refusals', async () => {
  const agreeable = world.agreeable();
  let withdrawing!: () => void;
  const reached = new Promise<void>((resolve) => (withdrawing = resolve));
  let goOn!: () => void;
  const held = new Promise<void>((resolve) => (goOn = resolve));
  const recordApproval: typeof agreeable.recordApproval = async (record) => {
    if (record.kind === 'verdict') {
      withdrawing();
      await held;
    }
    return agreeable.recordApproval(record);
  };
  await world.withWorker({ ...agreeable, recordApproval }, async () => {
    const handle = await ask();
    await until(async () => (await handle.query(approvalQuery)).status === 'pending');
    await handle.cancel();
    await reached;
    const late = handle.executeUpdate(decideUpdate, {
      args: [{ approved: true, by: 'ada', reason: 'fine' }],
    });
    await until(async () => (await handle.query(approvalQuery)).refusals.length === 1);
    goOn();
    const receipt = await late;
    assert.equal(receipt.accepted === false && receipt.code, 'closed');
    await assert.rejects(handle.result());
  });
  assert(!world.told.records.slice(-2).some(({ kind }) => kind === 'decision'));
});

test('replay: this code retells every run of this file', () => world.replayAll());
