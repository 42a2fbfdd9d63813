/**
 * One question to people: may this package go live? Waits for weeks at no cost.
 *
 * The validator checks shape only, because a refused update leaves no trace; authority is checked in
 * the handler, which files the refusal and returns it. Silence is not consent: the deadline rejects.
 */
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  isCancellation,
  patched,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import { Decision } from '../contracts/approval.ts';
import type { ApprovalRecord, ApprovalRequest, DecisionReceipt, Verdict } from '../contracts/approval.ts';
import { parse } from '../contracts/failures.ts';
import { refusal, tally } from '../contracts/quorum.ts';
import { approvalQuery, decideSignal, decideUpdate } from './messages.ts';
import { quick } from './stages.ts';

/** @returns the verdict; `expired` when the deadline came first. */
export async function approval(request: ApprovalRequest): Promise<Verdict> {
  const decisions: Decision[] = [];
  const refusals: { code: string; by: string; detail: string }[] = [];
  const dueAt = new Date(Date.now() + request.deadlineMs).toISOString();
  let status: 'pending' | Verdict['status'] = 'pending';
  let withdrawn = false;
  let records = 0;
  let queue: Promise<unknown> = Promise.resolve();

  // Never cut short: a cancellation that comes with the deadline must not leave a request without its verdict.
  const record = (entry: Pick<ApprovalRecord, 'kind' | 'by' | 'reason'> & Partial<ApprovalRecord>) =>
    CancellationScope.nonCancellable(() =>
      quick.recordApproval({
        requestId: request.requestId,
        n: ++records,
        at: new Date().toISOString(),
        subject: request.subject,
        ...entry,
      }),
    );
  const refuse = async (decision: Decision, code: DecisionReceipt & { accepted: false }) => {
    refusals.push({ code: code.code, by: decision.by, detail: code.detail });
    await record({ kind: 'refusal', by: decision.by, reason: decision.reason, code: code.code });
    return code;
  };
  const decide = async (decision: Decision): Promise<DecisionReceipt> => {
    if (withdrawn || status !== 'pending') {
      const detail = `already ${withdrawn ? 'withdrawn' : status}`;
      return refuse(decision, { accepted: false, code: 'closed', detail });
    }
    const no = refusal(request, decisions, decision);
    if (no) return refuse(decision, { accepted: false, ...no });
    decisions.push(decision);
    const { status: verdict, missing } = tally(request, decisions);
    await record({
      kind: 'decision',
      by: decision.by,
      reason: decision.reason,
      approved: decision.approved,
    });
    status = verdict;
    show();
    return { accepted: true, verdict, missing };
  };
  // One decision at a time, so that two at once cannot both be the last one needed.
  const inTurn = (decision: Decision): Promise<DecisionReceipt> => {
    const turn = queue.then(() => decide(decision));
    queue = turn.catch(() => undefined);
    return turn;
  };
  const show = () => {
    const { missing } = tally(request, decisions);
    upsertSearchAttributes({
      EsteiraState: [status === 'pending' ? 'waiting' : status],
      EsteiraStage: ['approve'],
    });
    setCurrentDetails(detailsOf(request, status, missing, dueAt, decisions));
  };

  setHandler(approvalQuery, () => ({
    request,
    status,
    decisions,
    refusals,
    missing: tally(request, decisions).missing,
    dueAt,
  }));
  setHandler(decideUpdate, inTurn, { validator: (decision) => void parse(Decision, decision) });
  setHandler(decideSignal, async (decision) => {
    // A signal handler must never throw: the history keeps what was sent, the records what it was worth.
    if (!Decision.safeParse(decision).success) return;
    // 0.2.0: a signal and an update of one task may change places in a replay. So it begins, at once, with a timer, and
    // has its effect in a task of its own.
    if (patched('signals-wait')) await CancellationScope.nonCancellable(() => sleep(1));
    await inTurn(decision);
  });

  try {
    const standing = await record({ kind: 'requested', by: request.requester, reason: request.summary });
    if (standing) return await finish(standing); // its lifecycle was reset; nobody is asked twice
    if (request.auto) status = 'approved';
    show();
    await untilDecided(request, () => status !== 'pending', record);
    await queue;
    if (status === 'pending') status = 'expired';
  } catch (error) {
    if (isCancellation(error)) {
      withdrawn = true; // who decides from now on is told so
      await queue;
      const reason = 'withdrawn with its lifecycle';
      await record({ kind: 'verdict', by: request.requester, reason, approved: false });
      await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
    }
    throw error;
  }
  const reason = request.auto ? 'the policy asks nobody this time' : status;
  await record({ kind: 'verdict', by: 'esteira', reason, approved: status === 'approved' });
  return finish({ status, decisions });

  async function finish(verdict: Pick<Verdict, 'status' | 'decisions'>): Promise<Verdict> {
    ({ status } = verdict);
    show();
    await condition(allHandlersFinished);
    return {
      requestId: request.requestId,
      ...verdict,
      policy: request.auto ? 'auto' : 'people',
      subject: request.subject,
      at: new Date().toISOString(),
    };
  }
}

async function untilDecided(
  request: ApprovalRequest,
  decided: () => boolean,
  record: (entry: Pick<ApprovalRecord, 'kind' | 'by' | 'reason'>) => Promise<unknown>,
): Promise<void> {
  const { deadlineMs, reminderMs } = request;
  if (reminderMs !== undefined && reminderMs < deadlineMs) {
    if (await condition(decided, reminderMs, { summary: 'reminder' })) return;
    await record({ kind: 'reminder', by: 'esteira', reason: 'nobody has decided yet' });
    await condition(decided, deadlineMs - reminderMs, { summary: 'deadline' });
  } else {
    await condition(decided, deadlineMs, { summary: 'deadline' });
  }
}

function detailsOf(
  request: ApprovalRequest,
  status: string,
  missing: string,
  dueAt: string,
  decisions: readonly Decision[],
): string {
  const lines = [`### May **${request.subject.model}** go live?`, request.summary, ''];
  if (status === 'pending') lines.push(`Waits for **${missing}** until ${dueAt}.`);
  else lines.push(`**${status}**`);
  if (request.policy.policy === 'people' && status === 'pending') {
    const who = Object.entries(request.policy.people).map(
      ([role, people]) => `${role}: ${people.join(', ')}`,
    );
    lines.push(`Who may decide: ${who.join('; ')}.`, '');
    lines.push(
      'Answer with the update or signal `decide`: `{"approved": true, "by": "you", "reason": "why"}`',
    );
  }
  for (const one of decisions) lines.push(`- ${one.by}: ${one.approved ? 'yes' : 'no'}, ${one.reason}`);
  return lines.join('\n');
}
