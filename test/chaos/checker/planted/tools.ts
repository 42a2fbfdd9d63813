/** How a plant gets hold of what it spoils. */
import assert from 'node:assert/strict';
import type { ApprovalRecord } from '../../../../contracts/approval.ts';
import type { Slots } from '../../../../contracts/serving.ts';
import type { Acknowledged } from '../acknowledged.ts';
import type { Invariant } from '../breach.ts';
import type { Evidence, Run } from '../evidence.ts';

export interface Plant {
  invariant: Invariant;
  /** A sentence: what is found. */
  what: string;
  /** Spoils a copy. */
  plant(evidence: Evidence): void;
}

export const other = 'f'.repeat(64);

export function object<T = Record<string, unknown>>(evidence: Evidence, key: string): T {
  assert(key in evidence.objects, `${key} is not among ${Object.keys(evidence.objects).join(' ')}`);
  return evidence.objects[key] as T;
}

export const slots = (evidence: Evidence, epoch: number) =>
  object<Slots>(evidence, `models/alone/slots/${epoch}.json`);

/** One more epoch of `alone`, after the last. */
export function addEpoch(evidence: Evidence, change: Partial<Slots>): void {
  const last = object<Slots>(evidence, 'models/alone/current.json');
  const next = { ...last, epoch: last.epoch + 1, ...change };
  evidence.objects[`models/alone/slots/${next.epoch}.json`] = next;
  evidence.objects['models/alone/current.json'] = structuredClone(next);
}

/** The records of `asks/1`, in order. */
export function records(evidence: Evidence): ApprovalRecord[] {
  const keys = Object.keys(evidence.objects).filter((key) => key.startsWith('approvals/asks/1/'));
  const found = keys.map((key) => evidence.objects[key] as ApprovalRecord);
  return found.toSorted((a, b) => a.n - b.n);
}

export function recordOf(evidence: Evidence, kind: ApprovalRecord['kind'], by?: string): ApprovalRecord {
  const found = records(evidence).find((one) => one.kind === kind && (by === undefined || one.by === by));
  assert(found, `${kind} ${by}`);
  return found;
}

export function addRecord(evidence: Evidence, change: Partial<ApprovalRecord>): void {
  const last = records(evidence).at(-1)!;
  const record = { ...last, n: last.n + 1, ...change };
  evidence.objects[`approvals/asks/1/${record.n}.json`] = record;
}

export function run(evidence: Evidence, workflowId: string): Run {
  const found = evidence.runs.find((one) => one.workflowId === workflowId);
  assert(found, workflowId);
  return found;
}

export function told<K extends Acknowledged['kind']>(
  evidence: Evidence,
  kind: K,
): Extract<Acknowledged, { kind: K }> {
  const found = evidence.acknowledged.find((one) => one.kind === kind);
  assert(found, kind);
  return found as Extract<Acknowledged, { kind: K }>;
}

/** Key of the ledger entry with this disposition. */
export function entry(evidence: Evidence, status: string): string {
  const found = Object.keys(evidence.objects).find(
    (key) =>
      key.startsWith('events/alone/') &&
      object<{ disposition: { status: string } }>(evidence, key).disposition.status === status,
  );
  assert(found, status);
  return found;
}
