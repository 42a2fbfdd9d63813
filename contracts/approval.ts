/** Approvals: who is asked what, what they answered, and what came of it. */
import { z } from 'zod';
import { Artifact, Instant, LifecycleId, ModelName, Person, Reason, Sha256 } from './artifact.ts';
import { ApprovalPolicy } from './project.ts';

/** `<model>/<n>`, from the lifecycle that asks. */
export const RequestId = z.string().regex(/^[a-z][a-z0-9-]{0,62}\/[1-9][0-9]*$/);

/** What is to be approved: bound to digests, and void when any of them changes. */
export const Subject = z.object({
  model: ModelName,
  modelDigest: Sha256,
  datasetDigest: Sha256,
  scorecardDigest: Sha256,
  policyDigest: Sha256,
});
export type Subject = z.infer<typeof Subject>;

export const ApprovalRequest = z.object({
  requestId: RequestId,
  lifecycleId: LifecycleId,
  subject: Subject,
  policy: ApprovalPolicy,
  /** Nobody is asked this time: by policy `auto`, or a retraining under `autoForRetrain`. */
  auto: z.boolean(),
  requester: Person,
  /** What the approver should look at. */
  report: Artifact,
  summary: z.string().max(2_000),
  deadlineMs: z.int().positive(),
  reminderMs: z.int().positive().optional(),
});
export type ApprovalRequest = z.infer<typeof ApprovalRequest>;

/** A person's answer to "may this model go live?" */
export const Decision = z.object({
  approved: z.boolean(),
  by: Person,
  reason: Reason,
});
export type Decision = z.infer<typeof Decision>;

export const RefusalCode = z.enum([
  'malformed',
  'not-an-approver',
  'requester-may-not-approve',
  'already-decided-by-you',
  'closed',
]);

export type RefusalCode = z.infer<typeof RefusalCode>;

/** What the caller of `decide` learns. A refusal is a value, so that it stays in the history. */
export const DecisionReceipt = z.discriminatedUnion('accepted', [
  z.object({
    accepted: z.literal(true),
    verdict: z.enum(['pending', 'approved', 'rejected']),
    missing: z.string(),
  }),
  z.object({ accepted: z.literal(false), code: RefusalCode, detail: z.string() }),
]);
export type DecisionReceipt = z.infer<typeof DecisionReceipt>;

/** One line of `approvals/<requestId>/<n>.json`. */
export const ApprovalRecord = z.object({
  requestId: RequestId,
  n: z.int().positive(),
  at: Instant,
  kind: z.enum(['requested', 'decision', 'refusal', 'reminder', 'verdict']),
  by: Person,
  reason: z.string().max(2_000),
  approved: z.boolean().optional(),
  code: z.string().optional(),
  subject: Subject,
});
export type ApprovalRecord = z.infer<typeof ApprovalRecord>;

/** How an approval ended, with everything needed to check it again later. */
export const Verdict = z.object({
  requestId: RequestId,
  status: z.enum(['approved', 'rejected', 'expired']),
  /** `people`: decided by them; `auto`: the policy asks nobody. */
  policy: z.enum(['people', 'auto']),
  decisions: z.array(Decision).max(50),
  subject: Subject,
  at: Instant,
});
export type Verdict = z.infer<typeof Verdict>;

export interface ApprovalState {
  request: ApprovalRequest;
  status: 'pending' | Verdict['status'];
  decisions: Decision[];
  refusals: { code: string; by: string; detail: string }[];
  missing: string;
  dueAt: string;
}
