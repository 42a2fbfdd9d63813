/** The checker: every invariant, one by one, over the evidence of a run. */
import type { Breach } from './breach.ts';
import type { Evidence } from './evidence.ts';

export type { Breach } from './breach.ts';

/** In the order of their numbers; each reads the evidence and nothing else. */
const checks: ((evidence: Evidence) => Breach[])[] = [];

export function check(evidence: Evidence): Breach[] {
  return checks.flatMap((one) => one(evidence));
}
