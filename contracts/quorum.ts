/**
 * Who may decide, and when enough have: pure, so that the approval workflow and the activity that
 * takes effect reach the same verdict from the same records.
 */
import type { ApprovalRequest, Decision, RefusalCode } from './approval.ts';

type Asked = Pick<ApprovalRequest, 'policy' | 'auto' | 'requester'>;

/** @returns why this person's decision does not count, or undefined if it does. */
export function refusal(
  request: Asked,
  earlier: readonly Decision[],
  decision: Decision,
): { code: RefusalCode; detail: string } | undefined {
  const { policy, requester } = request;
  if (policy.policy === 'auto') return { code: 'closed', detail: 'this policy asks nobody' };
  const roles = rolesOf(request, decision.by);
  if (roles.length === 0) {
    const wanted = Object.keys(policy.need).join(', ');
    return { code: 'not-an-approver', detail: `${decision.by} has none of the roles ${wanted}` };
  }
  if (decision.by === requester && !policy.requesterMayApprove) {
    return { code: 'requester-may-not-approve', detail: `${requester} asked for it, so another must decide` };
  }
  if (earlier.some((one) => one.by === decision.by)) {
    return { code: 'already-decided-by-you', detail: `${decision.by} has decided already` };
  }
  return undefined;
}

/** One rejection rejects; otherwise every role needs its number of different people. */
export function tally(
  request: Asked,
  decisions: readonly Decision[],
): { status: 'pending' | 'approved' | 'rejected'; missing: string } {
  if (request.auto || request.policy.policy === 'auto') return { status: 'approved', missing: '' };
  if (decisions.some((one) => !one.approved)) return { status: 'rejected', missing: '' };
  const missing = Object.entries(request.policy.need)
    .map(([role, need]) => ({
      role,
      left: need - new Set(decisions.filter(({ by }) => hasRole(request, by, role)).map(({ by }) => by)).size,
    }))
    .filter(({ left }) => left > 0)
    .map(({ role, left }) => `${left} of ${role}`);
  return missing.length > 0
    ? { status: 'pending', missing: missing.join(', ') }
    : { status: 'approved', missing: '' };
}

function rolesOf(request: Asked, person: string): string[] {
  if (request.policy.policy === 'auto') return [];
  return Object.keys(request.policy.need).filter((role) => hasRole(request, person, role));
}

function hasRole({ policy }: Asked, person: string, role: string): boolean {
  if (policy.policy === 'auto') return false;
  const holders = policy.people[role] ?? [];
  return holders.includes(person) || holders.includes('*');
}
