/** I7: an approval's records are numbered without a gap, and hold everything that was said to it, once. */
import type { ApprovalRecord } from '../../../contracts/approval.ts';
import { Decision } from '../../../contracts/approval.ts';
import { breachesOf, grouped, same } from './breach.ts';
import type { Breach } from './breach.ts';
import type { Evidence, Run } from './evidence.ts';
import { all, approvalsByRequest } from './facts.ts';
import { messages, resultOf, runsOf } from './history.ts';

export function onRecord(evidence: Evidence): Breach[] {
  const { breaches, breach, demand } = breachesOf('I7');
  const byRequest = approvalsByRequest(evidence);
  for (const { key, of, part, value } of all(evidence, 'approvals'))
    demand(
      value.n === Number(part) && value.requestId === of,
      `${key} is another record by its own words`,
      value,
    );
  for (const [requestId, records] of byRequest) {
    const numbers = records.map(({ n }) => n);
    demand(
      same(
        numbers,
        numbers.map((_, at) => at + 1),
      ),
      `records of ${requestId} have a gap`,
      numbers,
    );
    demand(
      records.every(({ kind }, at) => (kind === 'requested') === (at === 0)),
      `records of ${requestId} do not begin with one request`,
      kindsOf(records),
    );
    const back = records.find((one, at) => at > 0 && one.at < records[at - 1]!.at);
    demand(
      !back,
      `record ${back?.n} of ${requestId} is older than the one before`,
      records.map(({ at }) => at),
    );
    const verdict = records.findIndex(({ kind }) => kind === 'verdict');
    const again = runsOf(evidence, `approval/${requestId}`).length > 1;
    const after = verdict === -1 || again ? [] : records.slice(verdict + 1);
    demand(
      after.every(({ kind, code }) => kind === 'refusal' && code === 'closed'),
      `records of ${requestId} go on after its verdict`,
      kindsOf(records),
    );
  }
  for (const run of evidence.runs.filter(({ type }) => type === 'approval')) {
    const requestId = run.workflowId.slice('approval/'.length);
    const records = byRequest.get(requestId);
    if (!records && run.status !== 'RUNNING') breach(`${run.workflowId} has ended and left no record`);
    else if (runsOf(evidence, run.workflowId).length === 1)
      breaches.push(...told(run, requestId, records ?? []));
  }
  return [...breaches, ...answered(evidence, byRequest)];
}

/** A reset run files under numbers that are taken: only what ran once is compared message by message. */
function told(run: Run, requestId: string, records: ApprovalRecord[]): Breach[] {
  const { breaches, demand } = breachesOf('I7');
  const verdicts = records.filter(({ kind }) => kind === 'verdict');
  if (run.status === 'COMPLETED' || run.status === 'CANCELLED')
    demand(
      verdicts.length === 1,
      `${requestId} is over, with ${verdicts.length} verdicts on record`,
      kindsOf(records),
    );
  if (run.status === 'COMPLETED') {
    const { status } = resultOf(run) as { status?: string };
    demand(
      (status === 'approved') === (verdicts[0]?.approved === true),
      `${requestId} ended ${status}, and its verdict says otherwise`,
      verdicts,
    );
  }
  const said = messages(run).flatMap(
    ({ name, input }) => (name === 'decide' && Decision.safeParse(input).data) || [],
  );
  const filed = records.filter(({ kind }) => kind === 'decision' || kind === 'refusal');
  const words = ({ by, reason }: { by: string; reason: string }) => `${by}: ${reason}`;
  const saidBy = grouped(said, words);
  const filedBy = grouped(filed, words);
  // What was under way when a run was cut off may be missing, but nothing may be made up.
  const whole = run.status === 'COMPLETED' || run.status === 'RUNNING';
  for (const [what, all] of saidBy) {
    const count = filedBy.get(what)?.length ?? 0;
    demand(
      whole ? count === all.length : count <= all.length,
      `${requestId} was told ${all.length} times, and has ${count} records of it: ${what}`,
      kindsOf(records),
    );
  }
  for (const [what, all] of filedBy)
    demand(saidBy.has(what), `${requestId} has a record of what nobody said: ${what}`, all);
  return breaches;
}

/** What the person was told is what is on record. */
function answered(evidence: Evidence, byRequest: Map<string, ApprovalRecord[]>): Breach[] {
  const { breaches, demand } = breachesOf('I7');
  for (const one of evidence.acknowledged) {
    if (one.kind !== 'decision' || !one.receipt) continue;
    const { requestId, by, approved, receipt } = one;
    if (!receipt.accepted && receipt.code === 'closed') continue; // said by the client, when nobody is there to ask
    const filed = (byRequest.get(requestId) ?? []).filter((record) => record.by === by);
    const found = filed.some((record) =>
      receipt.accepted
        ? record.kind === 'decision' && record.approved === approved
        : record.kind === 'refusal' && record.code === receipt.code,
    );
    demand(
      found,
      `${by} was told of ${requestId}: ${JSON.stringify(receipt)}, and it is not on record`,
      kindsOf(filed),
    );
  }
  return breaches;
}

function kindsOf(records: ApprovalRecord[]): string {
  return records.map(({ n, kind, by, code }) => `${n} ${kind} ${by} ${code ?? ''}`.trim()).join(', ');
}
