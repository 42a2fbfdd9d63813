/**
 * Versions and slots in the store. This is where a promotion takes effect, so it is checked again
 * here: a forged message or a reset workflow can ask, but not be obeyed.
 */
import { permanent } from '../../contracts/failures.ts';
import { PinnedProject } from '../../contracts/project.ts';
import { refusal, tally } from '../../contracts/quorum.ts';
import { Package, Slots, Spent, VersionRecord } from '../../contracts/serving.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { canonicalJson, createJson, readJson, readJsonBlob, swapJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { approvalRecords, decisionsBefore } from '../approve/records.ts';
import { barredBecause } from './bars.ts';

export const versionKey = (model: string, version: number) => `models/${model}/versions/${version}.json`;
export const currentKey = (model: string) => `models/${model}/current.json`;
const slotsKey = (model: string, epoch: number) => `models/${model}/slots/${epoch}.json`;
const spentKey = (requestId: string) => `spent/${requestId}.json`;

export interface SlotsDeps {
  store: Store;
  log: { warn(about: object, message: string): void };
}

/** @throws `StaleEpoch` when this number was given to another package. */
export async function writeVersion(store: Store, record: VersionRecord): Promise<void> {
  const { model, version } = record;
  const created = await createJson(store, versionKey(model, version), record);
  await failpoint('deploy:version');
  if (created) return;
  const filed = await readJson(store, versionKey(model, version), VersionRecord);
  const same = filed?.value.lifecycleId === record.lifecycleId;
  if (same && filed?.value.package.sha256 === record.package.sha256) return;
  const message = `version ${version} of ${model} is another package already`;
  throw permanent('StaleEpoch', message, { model, epoch: version, current: version });
}

/**
 * Writes `slots/<epoch>.json` once and moves `current.json` to it by compare-and-swap.
 *
 * An approval carries one rollout: what enters a slot spends it. What another rollout has spent is refused, and what its
 * own has taken back, so that a finished run or an entity which is reset cannot deploy again. Without a rollout (a
 * rollback) nothing may enter: the champion is the one that is, or the one before.
 *
 * @throws `StaleEpoch` when a newer epoch, or another change of the same epoch, is in the store
 * @throws `NotApproved` when a version in a slot has no valid approval of exactly its digests, or is quarantined
 */
export async function writeSlots({ store, log }: SlotsDeps, slots: Slots): Promise<void> {
  const { model, epoch } = slots;
  const refuseLate = (current: number) => {
    log.warn({ model, epoch, current }, 'a late writer was refused');
    return stale(slots, current);
  };
  const current = await readJson(store, currentKey(model), Slots);
  if (current && current.value.epoch >= epoch) {
    if (canonicalJson(current.value) === canonicalJson(slots)) return;
    throw refuseLate(current.value.epoch);
  }
  await checkSlots(store, slots, current?.value);
  const key = slotsKey(model, epoch);
  if (!(await createJson(store, key, slots))) {
    const filed = await readJson(store, key, Slots);
    if (canonicalJson(filed?.value) !== canonicalJson(slots)) throw refuseLate(epoch);
  }
  await failpoint('deploy:slots');
  const swapped = await swapJson(store, currentKey(model), slots, current?.etag);
  if (swapped === undefined) {
    const now = (await readJson(store, currentKey(model), Slots))?.value;
    if (canonicalJson(now) !== canonicalJson(slots)) throw refuseLate(now?.epoch ?? 0);
  }
  await failpoint('deploy:activated');
}

async function checkSlots(store: Store, slots: Slots, current: Slots | undefined): Promise<void> {
  const { model, epoch, champion, challenger, rollout } = slots;
  if (challenger && challenger.version === champion?.version)
    throw refused(model, challenger.version, 'it is the champion, and cannot be its own challenger');
  const before = new Set([current?.champion, current?.previous].map((slot) => slot?.version));
  const requests = new Map<number, string>();
  for (const slot of [champion, challenger]) {
    if (!slot) continue;
    requests.set(slot.version, await checkApproval(store, model, slot.version, slot.package.sha256));
    if (slot.version === current?.champion?.version && slot === champion) continue; // it stays where it is
    const barred = await barredBecause(store, model, slot.version);
    if (barred !== null) throw refused(model, slot.version, `it is quarantined: ${barred}`);
    if (rollout === undefined && !(slot === champion && before.has(slot.version)))
      throw refused(model, slot.version, 'it was never the champion, and no rollout brings it');
  }
  await failpoint('deploy:checked');
  const brought = challenger ?? (champion?.version === current?.champion?.version ? null : champion);
  if (rollout !== undefined && brought) {
    const { version } = brought;
    await spend(store, { requestId: requests.get(version)!, model, version, rollout, epoch }, current);
  }
  await failpoint('deploy:spent');
}

/** The first use stands for ever, and ends when its rollout gives the slot back. */
async function spend(store: Store, use: Omit<Spent, 'at'>, current: Slots | undefined): Promise<void> {
  const { requestId, model, version } = use;
  const key = spentKey(requestId);
  if (await createJson(store, key, { ...use, at: new Date().toISOString() })) return;
  const filed = (await readJson(store, key, Spent))?.value;
  const used = `approval ${requestId} was used at epoch ${filed?.epoch} already`;
  if (filed?.rollout !== use.rollout || filed.version !== version)
    throw refused(model, version, `${used}, by another rollout`);
  if (holds(current, version)) return;
  // Its entity, reset to before the slot was given back, would obey the same rollout once more.
  if (await heldBefore(store, filed, current)) throw refused(model, version, `${used}, and then taken back`);
}

const holds = (slots: Slots | undefined, version: number): boolean =>
  slots?.champion?.version === version || slots?.challenger?.version === version;

/** In any epoch since the approval was spent: who was killed between the two has not had its turn yet. */
async function heldBefore(store: Store, { model, version, epoch }: Spent, current: Slots | undefined) {
  for (let one = epoch; one <= (current?.epoch ?? 0); one++) {
    if (holds((await readJson(store, slotsKey(model, one), Slots))?.value, version)) return true;
  }
  return false;
}

function refused(model: string, version: number, why: string): Error {
  return permanent('NotApproved', `version ${version} of ${model} may not serve: ${why}`, { model, version });
}

function stale({ model, epoch }: Slots, current: number): Error {
  const message = `epoch ${epoch} of ${model} comes late: the store is at ${current}`;
  return permanent('StaleEpoch', message, { model, epoch, current });
}

/** Reads everything anew from the store; the workflow's word is not enough. @returns the approval's request id */
async function checkApproval(
  store: Store,
  model: string,
  version: number,
  packageDigest: string,
): Promise<string> {
  const refuse = (why: string) => refused(model, version, why);
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
  const decisions = decisionsBefore(verdict, records);
  const counted = decisions.filter((one, i) => !refusal(asked, decisions.slice(0, i), one));
  if (tally(asked, counted).status !== 'approved') throw refuse(`approval ${requestId} lacks decisions`);
  return requestId;
}
