/** The records of one approval, as the store has them. */
import { ApprovalRecord } from '../../contracts/approval.ts';
import type { Decision } from '../../contracts/approval.ts';
import { readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';

/** In the order of their filing: a workflow that was reset may have added another verdict, but the first stands. */
export async function approvalRecords(store: Store, requestId: string): Promise<ApprovalRecord[]> {
  const records: ApprovalRecord[] = [];
  for await (const { key } of store.list(`approvals/${requestId}/`)) {
    const found = await readJson(store, key, ApprovalRecord);
    if (found) records.push(found.value);
  }
  return records.toSorted((a, b) => a.n - b.n);
}

/** What was decided before a verdict; what came after it, by a reset, does not count. */
export function decisionsBefore(verdict: ApprovalRecord, records: readonly ApprovalRecord[]): Decision[] {
  return records
    .filter(({ kind, n }) => kind === 'decision' && n < verdict.n)
    .map(({ approved, by, reason }) => ({ approved: approved === true, by, reason }));
}
