/** What every check gives back: nothing, or which claim does not hold and how one sees it. */
import { canonicalJson } from '../../../infra/store/json.ts';

export const invariants = {
  I1: 'one champion, epochs in order',
  I2: 'nothing serves unapproved',
  I3: 'trained = evaluated = approved = served',
  I4: 'each effect once',
  I5: 'nothing acknowledged is lost',
  I6: 'everything ends, or waits for somebody',
  I7: 'approvals are on record, refusals too',
  I8: 'histories stay small',
  I9: 'histories replay',
  I10: 'artifacts are whole',
  I11: 'late writers are refused',
  I12: 'rollbacks end on a good version',
  I13: 'nothing is left behind',
  I14: 'no secret leaves its place',
  I15: 'bad input changes nothing',
  I16: 'same inputs, same digests',
} as const;
export type Invariant = keyof typeof invariants;

export interface Breach {
  invariant: Invariant;
  /** One sentence with the names in it. */
  claim: string;
  /** What was found, short. */
  evidence: string;
}

/** Gives the breaches of one invariant; `found` may be any value that has a form in JSON. */
export function breachesOf(invariant: Invariant) {
  const breaches: Breach[] = [];
  return {
    breaches,
    breach(claim: string, found: unknown = ''): void {
      breaches.push({ invariant, claim, evidence: short(found) });
    },
    /** @returns whether it holds */
    demand(holds: boolean, claim: string, found: unknown = ''): boolean {
      if (!holds) breaches.push({ invariant, claim, evidence: short(found) });
      return holds;
    },
  };
}

function short(found: unknown): string {
  const text = typeof found === 'string' ? found : (JSON.stringify(found) ?? String(found));
  return text.length > 600 ? `${text.slice(0, 600)}…` : text;
}

export function same(a: unknown, b: unknown): boolean {
  return canonicalJson(a ?? null) === canonicalJson(b ?? null);
}

export function grouped<T>(values: Iterable<T>, keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group) group.push(value);
    else groups.set(key, [value]);
  }
  return groups;
}
