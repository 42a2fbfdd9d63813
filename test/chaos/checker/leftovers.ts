/** I13: when all is done, nothing is left: no file, no lock, no process, no port, no upload. */
import { breachesOf } from './breach.ts';
import type { Breach } from './breach.ts';
import type { Evidence } from './evidence.ts';

export function leftovers(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I13');
  const { left, stopped, objects, unreadable } = evidence;
  const none = (found: unknown[], what: string) =>
    demand(found.length === 0, `${found.length} ${what} left`, found);
  none(left.work, 'folders of attempts');
  none(left.storeTemporary, 'temporary files of the store');
  none(left.lockWaiters, 'waiters of locks');
  none(left.downloads, 'unfinished downloads');
  none(left.uploads, 'unfinished uploads');
  const keys = [...Object.keys(objects), ...unreadable.map(({ key }) => key)];
  none(
    keys.filter((key) => key.startsWith('probe/')),
    'probes of the store',
  );
  if (!stopped) return breaches;
  none(left.journals, 'journals that were not shipped');
  none(left.serving, 'other files of replicas');
  none(left.gateway, 'files of the gateway');
  none(left.processes, 'processes');
  none(left.ports, 'ports that somebody listens on');
  none(
    keys.filter((key) => key.startsWith('replicas/')),
    'replicas that did not sign off',
  );
  return breaches;
}
