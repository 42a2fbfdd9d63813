/** I14: words that stand for secrets and personal data are nowhere but in the rows of data themselves. */
import { breachesOf } from './breach.ts';
import type { Breach } from './breach.ts';
import type { Evidence } from './evidence.ts';

export function secrets(evidence: Evidence): Breach[] {
  const { breaches, breach } = breachesOf('I14');
  for (const { canary, where } of evidence.canariesSeen) breach(`${where} holds ${canary}`);
  if (evidence.canaries.length === 0) return breaches;
  for (const { workflowId, runId, memo, searchAttributes, events, pending } of evidence.runs) {
    const places: [string, unknown][] = [
      ['its id', workflowId],
      ['its memo', memo],
      ['its search attributes', searchAttributes],
      ['a pending activity', pending],
      ...events.map(({ id, type, about }): [string, unknown] => [`event ${id}, ${type},`, about]),
    ];
    for (const [place, value] of places) {
      const text = JSON.stringify(value) ?? '';
      for (const canary of evidence.canaries.filter((word) => text.includes(word)))
        breach(`${place} of ${workflowId} holds ${canary}`, { runId, text: text.slice(0, 200) });
    }
  }
  return breaches;
}
