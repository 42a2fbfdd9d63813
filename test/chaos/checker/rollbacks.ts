/** I12: going back ends on a version that was approved and served before; what was barred never serves again. */
import type { Slots } from '../../../contracts/serving.ts';
import { approvalFaults } from './approved.ts';
import { breachesOf, same } from './breach.ts';
import type { Breach } from './breach.ts';
import type { Evidence } from './evidence.ts';
import { all, byRollout, changes, inSlots, slotsByModel } from './facts.ts';
import { allActivities, resultOf, startedWith } from './history.ts';

export function rollbacks(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I12');
  const barred = barredAt(evidence);
  const quarantined = new Set(all(evidence, 'quarantine').map(({ of, part }) => `${of} ${part}`));
  for (const [model, history] of slotsByModel(evidence)) {
    for (const { before, after } of changes(history)) {
      for (const { version, slot } of inSlots(after)) {
        const since = barredSince(barred.get(`${model} ${version}`) ?? [], after.at);
        // One that is in its slot when it is barred stays there until a change takes it out.
        const stays = before?.[slot]?.version === version;
        demand(
          since === undefined || stays,
          `version ${version} of ${model} is ${slot} at epoch ${after.epoch}, and was barred at ${since}`,
        );
      }
      if (before && isBack(before, after)) breaches.push(...wentBack(evidence, history, before, after));
      const leaving = before?.challenger ?? before?.champion;
      // What the entity takes back itself lost its rollout; nobody found fault with it.
      if (before && leaving && !byRollout(after) && after.by !== 'esteira')
        demand(
          quarantined.has(`${model} ${leaving.version}`),
          `version ${leaving.version} of ${model} was rolled back at epoch ${after.epoch}, and is not barred`,
        );
    }
  }
  return [...breaches, ...asTold(evidence, quarantined), ...evidenceFiled(evidence)];
}

/** Somebody took something back, or a rollout gave up its challenger. */
function isBack(before: Slots, after: Slots): boolean {
  return (
    !byRollout(after) || (after.challenger === null && after.champion?.version === before.champion?.version)
  );
}

function wentBack(evidence: Evidence, history: Slots[], before: Slots, after: Slots): Breach[] {
  const { breaches, breach, demand } = breachesOf('I12');
  const { model, epoch, champion } = after;
  const what = `epoch ${epoch} of ${model} goes back`;
  if (!champion) {
    // The first version of all has nothing to go back to but silence.
    demand(before.champion === null, `${what} to nothing`, after);
    return breaches;
  }
  const { version } = champion;
  const leaving = before.challenger ?? before.champion;
  demand(leaving?.version !== version, `${what} to version ${version}, the one that failed`, {
    before,
    after,
  });
  const crowned = history.filter((one) => one.epoch < epoch && one.champion?.version === version);
  demand(crowned.length > 0, `${what} to version ${version}, which never was champion`, { before, after });
  for (const fault of approvalFaults(evidence, model, version))
    breach(`${what} to version ${version}, and ${fault}`);
  return breaches;
}

/** Who asked is told where it ended; a rollout that failed has its version barred. */
function asTold(evidence: Evidence, quarantined: Set<string>): Breach[] {
  const { breaches, demand } = breachesOf('I12');
  const slots = slotsByModel(evidence);
  for (const one of evidence.acknowledged) {
    if (one.kind !== 'rollback' || !one.answer.accepted) continue;
    const { epoch, version } = one.answer;
    const then = slots.get(one.model)?.find((each) => each.epoch === epoch);
    demand(
      then?.champion?.version === version && then.by === one.by,
      `${one.by} was told that epoch ${epoch} of ${one.model} went back to version ${version}`,
      then ?? 'no such epoch',
    );
  }
  for (const run of evidence.runs.filter(
    ({ type, status }) => type === 'rollout' && status === 'COMPLETED',
  )) {
    const [, model, version] = run.workflowId.split('/');
    if ((resultOf(run) as { status?: string })?.status !== 'rolled-back') continue;
    demand(
      quarantined.has(`${model} ${version}`),
      `version ${version} of ${model} failed its rollout, and is not barred`,
    );
  }
  return breaches;
}

interface Turn {
  at: string;
  barred: boolean;
}

/** When each version was barred and let go, as the entity's history has it: the files bear no time. */
function barredAt(evidence: Evidence): Map<string, Turn[]> {
  const turns = new Map<string, Turn[]>();
  for (const { type, outcome, input, result, endedAt } of allActivities(evidence)) {
    if (!/^write(Quarantine|Release)$/.test(type) || outcome !== 'completed' || endedAt === null) continue;
    const { model, version } = input as { model?: string; version?: number };
    const barred = type === 'writeQuarantine' || (result as { barred?: string | null }).barred !== null;
    const key = `${model} ${version}`;
    turns.set(key, [...(turns.get(key) ?? []), { at: endedAt, barred }]);
  }
  return turns;
}

/** @returns since when it was barred at that moment, if it was */
function barredSince(turns: readonly Turn[], moment: string): string | undefined {
  let since: string | undefined;
  for (const { at, barred } of turns.toSorted((a, b) => a.at.localeCompare(b.at))) {
    if (at > moment) break;
    since = barred ? (since ?? at) : undefined;
  }
  return since;
}

/** What a rollout gave back is what was filed of it: who reads later why, reads all that was seen. */
function evidenceFiled(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I12');
  const filed = all(evidence, 'rollouts');
  for (const run of evidence.runs.filter(
    ({ type, status }) => type === 'rollout' && status === 'COMPLETED',
  )) {
    if (startedWith(run)['traffic'] === undefined) continue; // before 0.4.0
    const [, model, version] = run.workflowId.split('/');
    const told = resultOf(run);
    demand(
      filed.some((one) => one.of === model && one.part === version && same(one.value.outcome, told)),
      `version ${version} of ${model} ended its rollout, and what was seen of it is not on file`,
      told,
    );
  }
  return breaches;
}
