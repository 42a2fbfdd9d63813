/**
 * Approve: files what was asked, decided, refused and concluded, one object each, in order.
 *
 * The workflow numbers the records, so a second attempt meets its own first one and is done. A workflow that was
 * reset numbers from the start again: what it repeats is filed already, and what is new goes to the end. Nothing
 * that was filed is ever replaced.
 */
import { ApprovalRecord } from '../../contracts/approval.ts';
import type { ApproveActivities, Standing } from '../../contracts/activities.ts';
import { parse } from '../../contracts/failures.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { canonicalJson, createJson, readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { approvalRecords, decisionsBefore } from './records.ts';

export function createApprove({ store }: { store: Store }): ApproveActivities {
  return {
    async recordApproval(input) {
      const record = parse(ApprovalRecord, input);
      await failpoint('approve:record');
      for (let n = record.n; ; n++) {
        const key = `approvals/${record.requestId}/${n}.json`;
        if (await createJson(store, key, { ...record, n })) break;
        const filed = await readJson(store, key, ApprovalRecord);
        if (filed && said(filed.value) === said(record)) break;
      }
      await failpoint('approve:filed');
      return record.kind === 'requested' ? standing(store, record) : null;
    },
  };
}

/** The first verdict stands, if it is on the very digests that are asked about now. */
async function standing(store: Store, { requestId, subject }: ApprovalRecord): Promise<Standing | null> {
  const records = await approvalRecords(store, requestId);
  const verdict = records.find(({ kind }) => kind === 'verdict');
  if (!verdict || canonicalJson(verdict.subject) !== canonicalJson(subject)) return null;
  const status = verdict.approved ? 'approved' : verdict.reason === 'expired' ? 'expired' : 'rejected';
  return { status, decisions: decisionsBefore(verdict, records) };
}

/** All of a record but when, and under which number. */
function said(record: ApprovalRecord): string {
  return canonicalJson({ ...record, n: undefined, at: undefined });
}
