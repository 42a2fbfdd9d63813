/**
 * I2: what serves was approved by enough people who were allowed to, for exactly these digests, before it served,
 * and once. Counted here from the records and the pinned policy alone: the code that enforces it is not asked.
 */
import type { ApprovalRecord } from '../../../contracts/approval.ts';
import type { ApprovalPolicy } from '../../../contracts/project.ts';
import type { Slots } from '../../../contracts/serving.ts';
import { sha256 } from '../../../infra/digest.ts';
import { canonicalJson } from '../../../infra/store/json.ts';
import { breachesOf, grouped, same } from './breach.ts';
import type { Breach } from './breach.ts';
import type { Evidence } from './evidence.ts';
import {
  all,
  approvalsByRequest,
  byRollout,
  changes,
  inSlots,
  packageOf,
  projectOf,
  slotsByModel,
  versionOf,
} from './facts.ts';
import { runsOf, startedWith } from './history.ts';

export function approved(evidence: Evidence): Breach[] {
  const { breaches, breach } = breachesOf('I2');
  for (const [model, history] of slotsByModel(evidence)) {
    const served = grouped(
      history.flatMap((slots) =>
        inSlots(slots).map((held) => ({ ...held, at: slots.at, epoch: slots.epoch })),
      ),
      ({ version }) => String(version),
    );
    for (const held of served.values()) {
      const { version, epoch, at } = held[0]!;
      for (const fault of approvalFaults(evidence, model, version, at))
        breach(`version ${version} of ${model} served from epoch ${epoch}, and ${fault}`);
      const filed = versionOf(evidence, model, version)?.package.sha256;
      const other = held.find(({ digest }) => digest !== filed);
      if (other)
        breach(`epoch ${other.epoch} of ${model} serves another package as version ${version}`, {
          filed,
          ...other,
        });
    }
  }
  return [...breaches, ...spentOnce(evidence), ...afterTheVerdict(evidence)];
}

/** Why a version may not serve; empty if it may. @param servedAt when it first did */
export function approvalFaults(
  evidence: Evidence,
  model: string,
  version: number,
  servedAt?: string,
): string[] {
  const record = versionOf(evidence, model, version);
  if (!record) return ['it is not registered'];
  const made = packageOf(evidence, record);
  const pinned = made && projectOf(evidence, made.project.sha256);
  if (!made || !pinned) return ['its package or its project is not in the store'];
  const { requestId } = record.verdict;
  const records = approvalsByRequest(evidence).get(requestId) ?? [];
  const requested = records.filter(({ kind }) => kind === 'requested');
  const verdict = records.find(({ kind }) => kind === 'verdict');
  if (requested.length !== 1) return [`approval ${requestId} was asked for ${requested.length} times`];
  if (verdict?.approved !== true) return [`approval ${requestId} did not end in a yes`];

  const faults: string[] = [];
  const subject = {
    model,
    modelDigest: made.onnx.sha256,
    datasetDigest: made.datasetDigest,
    scorecardDigest: made.scorecard.sha256,
    policyDigest: sha256(canonicalJson(pinned.project.approval)),
  };
  const strange = records.find((one) => !same(one.subject, subject));
  if (strange)
    faults.push(
      `record ${strange.n} of ${requestId} is about other digests: ${JSON.stringify(strange.subject)}`,
    );
  if (servedAt !== undefined && verdict.at > servedAt)
    faults.push(`its approval came later, at ${verdict.at}`);
  const before = records.filter(({ kind, n }) => kind === 'decision' && n < verdict.n);
  const auto =
    pinned.project.approval.policy === 'auto' || asksNobody(evidence, requestId, pinned.project.approval);
  if (!auto && pinned.project.approval.policy === 'people')
    faults.push(
      ...quorumFaults(requested[0]!.by, before, pinned.project.approval).map(
        (fault) => `approval ${requestId}: ${fault}`,
      ),
    );
  return faults;
}

/** By policy, a retrained version may pass at the gates alone; what a person asked for may not. */
function asksNobody(evidence: Evidence, requestId: string, policy: ApprovalPolicy): boolean {
  if (policy.policy === 'auto') return true;
  const [run] = runsOf(evidence, `lifecycle/${requestId}`);
  const trigger = run && (startedWith(run)['trigger'] as { kind?: string } | undefined);
  return policy.autoForRetrain && trigger?.kind !== undefined && trigger.kind !== 'manual';
}

function quorumFaults(
  requester: string,
  decisions: ApprovalRecord[],
  policy: Extract<ApprovalPolicy, { policy: 'people' }>,
): string[] {
  const holders = (role: string) => policy.people[role] ?? [];
  const holds = (person: string, role: string) => holders(role).some((one) => one === person || one === '*');
  const roles = Object.keys(policy.need);
  const people = decisions.map(({ by }) => by);
  const faults = people
    .filter((person, at) => people.indexOf(person) !== at)
    .map((person) => `${person} is counted twice`);
  for (const { by, approved: yes } of decisions) {
    if (!roles.some((role) => holds(by, role))) faults.push(`${by} has none of the roles`);
    if (by === requester && !policy.requesterMayApprove) faults.push(`${by} asked for it and decided on it`);
    if (yes !== true) faults.push(`${by} said no`);
  }
  const agreed = [...new Set(decisions.filter((one) => one.approved).map(({ by }) => by))];
  for (const [role, need] of Object.entries(policy.need)) {
    const count = agreed.filter((person) => holds(person, role)).length;
    if (count < need) faults.push(`${count} of ${need} ${role} agreed`);
  }
  return faults;
}

/** An approval carries one version through one rollout. */
function spentOnce(evidence: Evidence): Breach[] {
  const { breaches, demand, breach } = breachesOf('I2');
  const spent = all(evidence, 'spent');
  for (const [model, history] of slotsByModel(evidence)) {
    const entered = grouped(changes(history).flatMap(entries), String);
    const first = new Map(
      history.toReversed().flatMap((one) => inSlots(one).map(({ version }) => [version, one.epoch] as const)),
    );
    for (const [version, times] of entered)
      demand(
        times.length === 1,
        `version ${version} of ${model} was rolled out ${times.length} times on one approval`,
      );
    for (const [version, epoch] of first) {
      const requestId = versionOf(evidence, model, version)?.verdict.requestId;
      const slip = spent.find(({ of }) => of === requestId)?.value;
      if (spent.length === 0) continue; // before 0.2.0 nothing was filed
      if (!slip) breach(`version ${version} of ${model} served, and ${requestId} was never spent on it`);
      else
        demand(
          slip.model === model && slip.version === version && slip.epoch <= epoch,
          `${requestId} was spent on another rollout than that of version ${version} of ${model} at epoch ${epoch}`,
          slip,
        );
    }
    for (const slots of history.filter(byRollout)) breaches.push(...movedBy(evidence, slots));
    const shared = grouped(
      [...first.keys()],
      (version) => versionOf(evidence, model, version)?.verdict.requestId ?? '',
    );
    for (const [requestId, versions] of shared)
      demand(versions.length === 1, `${requestId} of ${model} let several versions serve`, versions);
  }
  return breaches;
}

/** The run of the rollout that moves a version is the one its approval was spent on. */
function movedBy(evidence: Evidence, slots: Slots): Breach[] {
  const { breaches, demand } = breachesOf('I2');
  const { model, epoch, by } = slots;
  const { rollout } = evidence.objects[`models/${model}/slots/${epoch}.json`] as { rollout?: string };
  const version = Number(by.split('/')[2]);
  const requestId = versionOf(evidence, model, version)?.verdict.requestId;
  const slip = all(evidence, 'spent').find(({ of }) => of === requestId)?.value;
  // What gives a challenger back needs no approval.
  const serves = inSlots(slots).some((one) => one.version === version);
  if (!slip || rollout === undefined || !serves) return breaches;
  demand(
    slip['rollout'] === rollout,
    `epoch ${epoch} of ${model} was written by another rollout than ${requestId} was spent on`,
    { rollout, slip },
  );
  return breaches;
}

/** Versions that a rollout brought into slots where they were not. */
function entries({ before, after }: ReturnType<typeof changes>[number]): number[] {
  if (!byRollout(after)) return [];
  const were = before ? inSlots(before).map(({ version }) => version) : [];
  return inSlots(after)
    .map(({ version }) => version)
    .filter((version) => !were.includes(version));
}

function afterTheVerdict(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I2');
  for (const [requestId, records] of approvalsByRequest(evidence)) {
    const verdict = records.find(({ kind }) => kind === 'verdict');
    // A reset approval files what it repeats at the end; only what came before the first verdict counts, above.
    const again = runsOf(evidence, `approval/${requestId}`).length > 1;
    const late = records.filter(({ kind, n }) => !again && kind === 'decision' && verdict && n > verdict.n);
    demand(late.length === 0, `${requestId} took decisions after its verdict`, late);
    const no = records.find(({ kind, approved: yes }) => kind === 'decision' && yes === false);
    demand(
      !(no && verdict?.approved),
      `${requestId} was approved although ${no?.by} had rejected it`,
      records.map(({ kind, by }) => `${kind} ${by}`),
    );
  }
  return breaches;
}
