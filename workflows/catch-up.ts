/**
 * How a model entity finds itself again: when it begins, for its server's state may be lost; and when it notices that
 * it has fallen behind, for after a reset it lives in the past.
 */
import type { TriggerRequest, ModelState } from '../contracts/model.ts';
import { quick } from './stages.ts';

/** Never takes a number back, nor forgets a version. What waits is what the ledger says waits. */
export async function catchUp(state: ModelState): Promise<void> {
  const found = await quick.recall({ model: state.model });
  const { lifecycles, versions, nextVersion, slots, inFlight = null, waiting = [], setup = null } = found;
  const numbers = new Set(versions.map(({ version }) => version));
  Object.assign(state, {
    versions: [...state.versions.filter(({ version }) => !numbers.has(version)), ...versions],
    slots: slots ?? state.slots,
    nextVersion: Math.max(state.nextVersion, nextVersion),
    lifecycles: Math.max(state.lifecycles, lifecycles),
    setup: state.setup ?? setup,
    inFlight,
    pending: waiting.reduce<TriggerRequest | null>((pending, trigger) => merged(pending, { trigger }), null),
  });
}

/** Triggers that wait become one: the newest window, a person's wish before a machine's, all reasons. */
export function merged(waiting: TriggerRequest | null, request: TriggerRequest): TriggerRequest {
  if (!waiting) return request;
  const latest = waiting.trigger.at > request.trigger.at ? waiting.trigger.at : request.trigger.at;
  const lead = waiting.trigger.kind === 'manual' ? waiting : request;
  const reason = `${waiting.trigger.reason}; ${request.trigger.reason}`.slice(0, 2_000);
  return { ...lead, trigger: { ...lead.trigger, at: latest, reason } };
}
