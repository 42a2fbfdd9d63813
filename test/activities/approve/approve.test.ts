/** Approval records: filed once, in order, whatever is tried again; and the pure quorum behind them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createApprove } from '../../../activities/approve/index.ts';
import { ApprovalRecord as Record } from '../../../contracts/approval.ts';
import type { ApprovalRecord, Decision } from '../../../contracts/approval.ts';
import { failedWith } from '../../../contracts/failures.ts';
import { refusal, tally } from '../../../contracts/quorum.ts';
import { readJson } from '../../../infra/store/json.ts';
import { openBench } from '../../support/stage.ts';

const digest = 'a'.repeat(64);
const record: ApprovalRecord = {
  requestId: 'm/1',
  n: 1,
  at: '2001-02-01T00:00:00.000Z',
  kind: 'decision',
  by: 'ada',
  reason: 'beats the champion',
  approved: true,
  subject: {
    model: 'm',
    modelDigest: digest,
    datasetDigest: digest,
    scorecardDigest: digest,
    policyDigest: digest,
  },
};

test('a record filed twice is filed once; other words under its number go to the end', async () => {
  const bench = await openBench();
  const { recordApproval } = createApprove(bench);
  await recordApproval(record);
  await recordApproval(record);
  await recordApproval({ ...record, at: '2001-03-01T00:00:00.000Z' }); // a reset repeats itself
  await recordApproval({ ...record, approved: false });
  const filed: unknown[] = [];
  for await (const { key } of bench.store.list('approvals/m/1/')) {
    const read = await readJson(bench.store, key, Record);
    filed.push([read?.value.n, read?.value.approved, read?.value.at]);
  }
  assert.deepEqual(filed, [
    [1, true, record.at],
    [2, false, record.at],
  ]);
  await assert.rejects(recordApproval({ ...record, n: 0 }), (error) => failedWith(error, 'InvalidInput'));
  await bench.close();
});

const yes = (by: string): Decision => ({ approved: true, by, reason: 'ok' });
const asked = {
  policy: {
    policy: 'people' as const,
    need: { risk: 2, owner: 1 },
    people: { risk: ['ada', 'bob'], owner: ['bob', 'cleo'] },
    deadline: '1d',
    requesterMayApprove: false,
    autoForRetrain: false,
  },
  auto: false,
  requester: 'ana',
};

test('every role needs its number of people; one person may stand for two roles', () => {
  assert.deepEqual(tally(asked, []), { status: 'pending', missing: '2 of risk, 1 of owner' });
  assert.deepEqual(tally(asked, [yes('ada')]), { status: 'pending', missing: '1 of risk, 1 of owner' });
  assert.equal(tally(asked, [yes('ada'), yes('bob')]).status, 'approved');
  assert.equal(tally(asked, [yes('cleo'), yes('ada')]).status, 'pending');
});

test('one no is a no, however many said yes', () => {
  const decisions = [yes('ada'), yes('bob'), { ...yes('cleo'), approved: false }];
  assert.equal(tally(asked, decisions).status, 'rejected');
});

test('authority: stranger, requester, twice', () => {
  assert.equal(refusal(asked, [], yes('eve'))?.code, 'not-an-approver');
  assert.equal(refusal(asked, [yes('ada')], yes('ada'))?.code, 'already-decided-by-you');
  assert.equal(refusal({ ...asked, requester: 'ada' }, [], yes('ada'))?.code, 'requester-may-not-approve');
  assert.equal(refusal(asked, [], yes('cleo')), undefined);
});
