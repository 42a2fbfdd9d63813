/** I1: one champion an epoch, epochs without a gap, each used once, and replicas that act on them. */
import { Slots } from '../../../contracts/serving.ts';
import { breachesOf, grouped, same } from './breach.ts';
import type { Breach } from './breach.ts';
import type { Evidence } from './evidence.ts';
import { all, changes, inSlots, slotsByModel } from './facts.ts';
import { allActivities } from './history.ts';

export function oneChampion(evidence: Evidence): Breach[] {
  return [...inOrder(evidence), ...usedOnce(evidence), ...actedOn(evidence)];
}

function inOrder(evidence: Evidence): Breach[] {
  const { breaches, breach, demand } = breachesOf('I1');
  const slots = slotsByModel(evidence);
  for (const { key, part, of, value } of all(evidence, 'slots')) {
    demand(value.epoch === Number(part) && value.model === of, `${key} is of another epoch or model`, value);
    const versions = inSlots(value).map(({ version }) => version);
    demand(new Set(versions).size === versions.length, `${key} has one version in two slots`, value);
  }
  for (const [model, history] of slots) {
    const epochs = history.map(({ epoch }) => epoch);
    demand(
      same(
        epochs,
        epochs.map((_, at) => at + 1),
      ),
      `epochs of ${model} have a gap`,
      epochs,
    );
    for (const { before, after } of changes(history)) {
      if (before && before.at > after.at)
        breach(`epoch ${after.epoch} of ${model} is older than the one before`, [before.at, after.at]);
    }
    const current = evidence.objects[`models/${model}/current.json`];
    const last = evidence.objects[`models/${model}/slots/${epochs.at(-1)}.json`];
    demand(same(current, last), `current.json of ${model} is not its last epoch`, [current, last]);
  }
  for (const { of } of all(evidence, 'current'))
    demand(slots.has(of), `${of} has a current.json and no epoch`, of);
  return breaches;
}

/** What the entity was told is written, is what is written. */
function usedOnce(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I1');
  for (const { type, outcome, input, workflowId } of allActivities(evidence)) {
    if (type !== 'writeSlots' || outcome !== 'completed') continue;
    const told = [input, (input as { slots?: unknown }).slots].find((one) => Slots.safeParse(one).success) as
      Slots | undefined;
    if (!told) continue;
    const filed = evidence.objects[`models/${told.model}/slots/${told.epoch}.json`];
    demand(same(filed, told), `${workflowId} believes in another epoch ${told.epoch} than the store has`, [
      told,
      filed,
    ]);
  }
  return breaches;
}

/** A replica may lag, but not lead; and at an epoch it acts as that epoch says. */
function actedOn(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I1');
  const slots = slotsByModel(evidence);
  const alike = grouped(evidence.predictions, (one) =>
    [one.model, one.epoch, one.route, one.version, one.digest].join(' '),
  );
  for (const rows of alike.values()) {
    const { model, epoch, route, version, digest, id } = rows[0]!;
    const then = slots.get(model)?.find((one) => one.epoch === epoch);
    // Asked beside the one that answered: either of the two.
    const held =
      then &&
      inSlots(then).find((one) => (route === 'shadow' ? one.version === version : one.slot === route));
    demand(
      held?.version === version && held.digest === digest,
      `${rows.length} predictions of ${model} came from version ${version} as ${route} of epoch ${epoch}, which it was not`,
      { id, digest, epoch: then ?? 'no such epoch' },
    );
  }
  for (const { key, value } of all(evidence, 'replicas')) {
    for (const [model, { epoch, desired = epoch }] of Object.entries(value.models)) {
      const last = slots.get(model)?.at(-1)?.epoch ?? 0;
      demand(epoch <= last, `${key} acts on epoch ${epoch} of ${model}, and the last is ${last}`);
      demand(
        epoch <= desired && desired <= last,
        `${key} says that it saw epoch ${desired} of ${model}, acts on ${epoch}, and the last is ${last}`,
      );
    }
  }
  return breaches;
}
