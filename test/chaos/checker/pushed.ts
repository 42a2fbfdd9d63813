/** I5 of rows that were pushed to the gateway: under a key they are stored once, and what was acknowledged is there. */
import { sha256 } from '../../../infra/digest.ts';
import { breachesOf, grouped } from './breach.ts';
import type { Breach } from './breach.ts';
import type { Evidence } from './evidence.ts';
import { all } from './facts.ts';

export function pushed(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I5');
  const rows = grouped(evidence.landed, ({ source, id }) => `${source} ${id}`);
  const copies = (source: string, id: string) => rows.get(`${source} ${id}`)?.length ?? 0;
  const pushes = new Map(all(evidence, 'pushes').map(({ of, part, value }) => [`${of} ${part}`, value]));
  for (const one of evidence.acknowledged) {
    if (one.kind === 'push') {
      const { source, key, ids } = one;
      const lost = ids.filter((id) => copies(source, id) === 0);
      demand(lost.length === 0, `${lost.length} rows of ${source} were acknowledged and are not there`, one);
      const twice = key === null ? [] : ids.filter((id) => copies(source, id) > 1);
      demand(twice.length === 0, `${twice.length} rows of ${source} are there more than once`, {
        key,
        twice,
      });
    } else if (one.kind === 'push-conflict') {
      const push = pushes.get(`${one.source} ${sha256(one.key)}`);
      demand(
        push !== undefined && push.digest !== one.digest,
        `a push to ${one.source} under ${one.key} was refused as another, and none is filed`,
        { one, push },
      );
    }
  }
  return breaches;
}
