/**
 * Versions and slots in the store. This is where a promotion takes effect, so it is checked again
 * here: a forged message or a reset workflow can ask, but not be obeyed.
 */
import { ApprovalRecord } from '../../contracts/approval.ts';
import type { Decision } from '../../contracts/approval.ts';
import { permanent } from '../../contracts/failures.ts';
import { PinnedProject } from '../../contracts/project.ts';
import { tally } from '../../contracts/quorum.ts';
import { Package, Slots, VersionRecord } from '../../contracts/serving.ts';
import { canonicalJson, createJson, readJson, readJsonBlob, swapJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';

export const versionKey = (model: string, version: number) => `models/${model}/versions/${version}.json`;
export const currentKey = (model: string) => `models/${model}/current.json`;

/** @throws `StaleEpoch` when this number was given to another package. */
export async function writeVersion(store: Store, record: VersionRecord): Promise<void> {
  const { model, version } = record;
  if (await createJson(store, versionKey(model, version), record)) return;
  const filed = await readJson(store, versionKey(model, version), VersionRecord);
  if (filed?.value.package.sha256 === record.package.sha256) return;
  const message = `version ${version} of ${model} is another package already`;
  throw permanent('StaleEpoch', message, { model, epoch: version, current: version });
}

/**
 * Writes `slots/<epoch>.json` once and moves `current.json` to it by compare-and-swap.
 *
 * @throws `StaleEpoch` when a newer epoch, or another change of the same epoch, is in the store
 * @throws `NotApproved` when a version in a slot has no valid approval of exactly its digests
 */
export async function writeSlots(store: Store, slots: Slots): Promise<void> {
  const { model, epoch } = slots;
  const current = await readJson(store, currentKey(model), Slots);
  if (current && current.value.epoch >= epoch) {
    if (canonicalJson(current.value) === canonicalJson(slots)) return;
    throw stale(slots, current.value.epoch);
  }
  for (const slot of [slots.champion, slots.challenger]) {
    if (slot) await checkApproval(store, model, slot.version, slot.package.sha256);
  }
  const key = `models/${model}/slots/${epoch}.json`;
  if (!(await createJson(store, key, slots))) {
    const filed = await readJson(store, key, Slots);
    if (canonicalJson(filed?.value) !== canonicalJson(slots)) throw stale(slots, epoch);
  }
  const swapped = await swapJson(store, currentKey(model), slots, current?.etag);
  if (swapped === undefined)
    throw new Error(`current.json of ${model} moved while epoch ${epoch} was written`);
}

function stale({ model, epoch }: Slots, current: number): Error {
  const message = `epoch ${epoch} of ${model} comes late: the store is at ${current}`;
  return permanent('StaleEpoch', message, { model, epoch, current });
}

/** Reads everything anew from the store; the workflow's word is not enough. */
async function checkApproval(
  store: Store,
  model: string,
  version: number,
  packageDigest: string,
): Promise<void> {
  const refuse = (why: string) =>
    permanent('NotApproved', `version ${version} of ${model} may not serve: ${why}`, { model, version });
  const record = await readJson(store, versionKey(model, version), VersionRecord);
  if (!record) throw refuse('it is not registered');
  if (record.value.package.sha256 !== packageDigest) throw refuse('its package is not the registered one');
  const made = await readJsonBlob(store, record.value.package, Package);
  const { project, policyDigest } = await readJsonBlob(store, made.project, PinnedProject);
  const { requestId } = record.value.verdict;

  const records = await approvalRecords(store, requestId);
  const verdict = records.find((one) => one.kind === 'verdict');
  if (!verdict?.approved) throw refuse(`approval ${requestId} did not end in a yes`);
  const { subject } = verdict;
  const bound =
    subject.modelDigest === made.onnx.sha256 &&
    subject.datasetDigest === made.datasetDigest &&
    subject.scorecardDigest === made.scorecard.sha256 &&
    subject.policyDigest === policyDigest;
  if (!bound) throw refuse(`approval ${requestId} was given for other digests`);

  const asked = {
    policy: project.approval,
    auto: record.value.verdict.policy === 'auto',
    requester: records.find((one) => one.kind === 'requested')?.by ?? '',
  };
  const mayBeAuto = asked.policy.policy === 'auto' || asked.policy.autoForRetrain;
  if (asked.auto && !mayBeAuto) throw refuse('its policy asks people');
  const decisions = records.filter((one) => one.kind === 'decision').map(asDecision);
  if (tally(asked, decisions).status !== 'approved') throw refuse(`approval ${requestId} lacks decisions`);
}

async function approvalRecords(store: Store, requestId: string): Promise<ApprovalRecord[]> {
  const records: ApprovalRecord[] = [];
  for await (const { key } of store.list(`approvals/${requestId}/`)) {
    const found = await readJson(store, key, ApprovalRecord);
    if (found) records.push(found.value);
  }
  return records;
}

function asDecision({ approved, by, reason }: ApprovalRecord): Decision {
  return { approved: approved === true, by, reason };
}
