/** I10: whatever names an artifact names one that is there, whole; and what is there is what its name says. */
import { Artifact } from '../../../contracts/artifact.ts';
import { canonicalJson } from '../../../infra/store/json.ts';
import { breachesOf } from './breach.ts';
import type { Breach } from './breach.ts';
import type { Evidence } from './evidence.ts';
import { kinds } from './facts.ts';

export function whole(evidence: Evidence): Breach[] {
  const { breaches, breach, demand } = breachesOf('I10');
  for (const [key, { sha256, bytes }] of Object.entries(evidence.blobs))
    demand(key.endsWith(`/${sha256}`), `${key} holds other bytes than its name says`, { sha256, bytes });
  for (const { key, why } of evidence.unreadable)
    if (!key.startsWith('probe/')) breach(`${key} is not whole`, why);
  for (const [key, raw] of Object.entries(evidence.objects)) {
    const kind = Object.values(kinds).find(([pattern]) => pattern.test(key));
    const parsed = kind?.[1].safeParse(raw);
    demand(parsed?.success !== false, `${key} is not what such an object should be`, parsed?.error?.message);
  }
  for (const { artifact, where } of named(evidence)) {
    const { uri } = artifact;
    const found = evidence.blobs[uri];
    demand(
      found?.sha256 === artifact.sha256 && found.bytes === artifact.bytes,
      `${where} names ${uri}, which is ${found ? 'other bytes' : 'not there'}`,
      { artifact, found },
    );
  }
  demand(
    evidence.left.storeTemporary.length === 0,
    'the store holds half-written objects',
    evidence.left.storeTemporary,
  );
  return breaches;
}

/** Every different reference, with one place that makes it. */
function named(evidence: Evidence): Iterable<{ artifact: Artifact; where: string }> {
  const found = new Map<string, { artifact: Artifact; where: string }>();
  const walk = (value: unknown, where: string): void => {
    if (typeof value !== 'object' || value === null) return;
    const artifact = 'sha256' in value && 'mediaType' in value ? Artifact.safeParse(value).data : undefined;
    if (artifact) found.set(canonicalJson(artifact), { artifact, where });
    else for (const member of Object.values(value)) walk(member, where);
  };
  for (const [key, value] of Object.entries(evidence.objects)) walk(value, key);
  for (const [digest, value] of Object.entries(evidence.documents)) walk(value, `blob ${digest}`);
  for (const { workflowId, events } of evidence.runs) for (const { about } of events) walk(about, workflowId);
  return found.values();
}
