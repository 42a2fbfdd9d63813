/** The checker: every invariant, one by one, over the evidence of a run. */
import { alerts } from './alerts.ts';
import { approved } from './approved.ts';
import { badInput } from './bad-input.ts';
import type { Breach } from './breach.ts';
import { sameBytes } from './digests.ts';
import { entities } from './entities.ts';
import type { Evidence } from './evidence.ts';
import { fenced } from './fenced.ts';
import { replayable, small } from './histories.ts';
import { inbox } from './inbox.ts';
import { kept } from './kept.ts';
import { leftovers } from './leftovers.ts';
import { liveness } from './liveness.ts';
import { onRecord } from './on-record.ts';
import { once } from './once.ts';
import { oneChampion } from './one-champion.ts';
import { pushed } from './pushed.ts';
import { reproducible } from './reproducible.ts';
import { rollbacks } from './rollbacks.ts';
import { secrets } from './secrets.ts';
import { whole } from './whole.ts';

export type { Breach } from './breach.ts';

/** In the order of their numbers; each reads the evidence and nothing else. */
const checks: ((evidence: Evidence) => Breach[])[] = [
  ...[oneChampion, approved, sameBytes, once, alerts, kept, inbox, pushed, liveness, entities, onRecord],
  ...[small, replayable, whole, fenced, rollbacks, leftovers, secrets, badInput, reproducible],
];

export function check(evidence: Evidence): Breach[] {
  return checks.flatMap((one) => one(evidence));
}
