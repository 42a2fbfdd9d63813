/** I6, continued: what a model's entity believes of its lifecycles is so, and merged triggers were carried. */
import { breachesOf } from './breach.ts';
import type { Breach } from './breach.ts';
import type { Entity, Evidence } from './evidence.ts';
import { all, slotsByModel } from './facts.ts';
import { isReset, latest, runsOf, startedWith } from './history.ts';

const graceMs = 60_000;

export function entities(evidence: Evidence): Breach[] {
  const { breaches, breach, demand } = breachesOf('I6');
  const slots = slotsByModel(evidence);
  for (const [model, entity] of Object.entries(evidence.entities)) {
    if ('error' in entity) {
      breach(`model/${model} does not answer`, entity.error);
      continue;
    }
    const epoch = slots.get(model)?.at(-1)?.epoch;
    demand(
      entity.slots?.epoch === epoch,
      `model/${model} believes in epoch ${entity.slots?.epoch}, the store is at ${epoch}`,
    );
    breaches.push(...inFlight(evidence, model, entity));
  }
  for (const { key, of, value } of all(evidence, 'events')) {
    const after = waitsAfter(value.disposition);
    if (after === undefined) continue;
    demand(
      isCarried(evidence, of, after, value.trigger),
      `${key} waits after ${after}, and nothing carried it or will`,
      value.disposition,
    );
  }
  return breaches;
}

/** The lifecycle after which another must come; empty: the first. */
function waitsAfter(disposition: { status: string } & Record<string, unknown>): string | undefined {
  if (disposition.status === 'merged') return String(disposition['behind']);
  return disposition.status === 'waiting' ? String(disposition['after'] ?? '') : undefined;
}

function inFlight(evidence: Evidence, model: string, entity: Entity): Breach[] {
  const { breaches, demand } = breachesOf('I6');
  const believed = entity.inFlight?.lifecycleId;
  const run = believed === undefined ? undefined : latest(runsOf(evidence, believed));
  if (believed !== undefined && run?.status !== 'RUNNING') {
    // What was terminated cannot say goodbye: its entity asks when the next trigger comes. But nothing may wait for that.
    const excused = run?.status === 'TERMINATED' && entity.pending === null;
    demand(excused, `model/${model} waits for ${believed}, which is ${run?.status ?? 'not known'}`, entity);
  }
  const running = evidence.runs.filter(
    (one) => one.status === 'RUNNING' && one.workflowId.startsWith(`lifecycle/${model}/`),
  );
  for (const { workflowId } of running.filter((one) => !isReset(one)))
    demand(
      workflowId === believed,
      `${workflowId} runs, and model/${model} has ${believed ?? 'nothing'} in flight`,
    );
  demand(
    entity.pending === null || believed !== undefined || isDue(entity, evidence.askedAt),
    `model/${model} has a trigger that waits for nothing`,
    entity.pending,
  );
  return breaches;
}

/** It waits for a time that has not come, or has just. */
function isDue({ waitUntil }: Entity, askedAt: string): boolean {
  return waitUntil !== undefined && Date.parse(waitUntil) + graceMs > Date.parse(askedAt);
}

/** Merged triggers become one that has the latest time of them and names all their reasons, as far as there is room. */
function isCarried(
  evidence: Evidence,
  model: string,
  behind: string,
  { at, reason }: { at: string; reason: string },
): boolean {
  const carries = (trigger: { at: string; reason: string } | undefined) =>
    trigger !== undefined &&
    trigger.at >= at &&
    (trigger.reason.includes(reason) || trigger.reason.length > 1_900);
  const number = Number(behind.split('/')[2] ?? 0);
  const later = evidence.runs.filter(
    ({ workflowId }) =>
      workflowId.startsWith(`lifecycle/${model}/`) && Number(workflowId.split('/')[2]) > number,
  );
  const entity = evidence.entities[model];
  const waiting = entity && !('error' in entity) ? entity.pending?.trigger : undefined;
  return (
    carries(waiting) ||
    later.some((run) => carries(startedWith(run)['trigger'] as { at: string; reason: string }))
  );
}
