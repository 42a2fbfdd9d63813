/**
 * Approve: files what was asked, decided, refused and concluded, one object each, in order.
 *
 * The workflow numbers the records, so a second attempt meets its own first one and is done.
 */
import { ApprovalRecord } from '../../contracts/approval.ts';
import type { ApproveActivities } from '../../contracts/activities.ts';
import { parse, permanent } from '../../contracts/failures.ts';
import { canonicalJson, createJson, readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';

export function createApprove({ store }: { store: Store }): ApproveActivities {
  return {
    async recordApproval(input) {
      const record = parse(ApprovalRecord, input);
      const key = `approvals/${record.requestId}/${record.n}.json`;
      if (await createJson(store, key, record)) return;
      const filed = await readJson(store, key, ApprovalRecord);
      if (canonicalJson(filed?.value) === canonicalJson(record)) return;
      // A workflow that was reset numbers from the start again; the first filing stands.
      throw permanent('InvalidInput', `${key} is filed already, with other words`, { issues: [key] });
    },
  };
}
