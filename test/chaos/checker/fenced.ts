/** I11: an attempt that was thought dead changes nothing when it comes back, and its try is told in a log. */
import { breachesOf, same } from './breach.ts';
import type { Breach } from './breach.ts';
import type { Evidence } from './evidence.ts';
import { all } from './facts.ts';
import { activities, runsOf } from './history.ts';

export function fenced(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I11');
  const leases = new Map(all(evidence, 'leases').map(({ of, part, value }) => [`${of}/${part}`, value.seq]));
  for (const { key, of, part, value } of [...all(evidence, 'records'), ...all(evidence, 'checkpoints')]) {
    const lease = leases.get(`${of}/${part}`);
    if (value.seq === undefined && lease === undefined) continue; // before 0.2.0
    demand(
      lease !== undefined && value.seq !== undefined && value.seq <= lease,
      `${key} bears number ${value.seq}, and the last lease is ${lease}`,
    );
  }
  for (const { key, of, part, value } of all(evidence, 'records')) {
    const tried = runsOf(evidence, of)
      .flatMap(activities)
      .filter(({ type }) => type === part);
    const told = tried.filter(({ outcome }) => outcome === 'completed').map(({ result }) => result);
    // One that is not completed may have filed its record and lost its answer.
    const open = tried.some(({ outcome }) => outcome !== 'completed');
    demand(
      open || told.length === 0 || told.some((result) => same(result, value.output)),
      `${key} is not what the workflow was told`,
      { filed: value.output, told },
    );
  }
  for (const { kind, at, target = '' } of evidence.disturbances) {
    if (kind !== 'zombie') continue;
    demand(
      evidence.lateLines.some((line) => line.includes(target)),
      `nothing was refused when ${target || 'an attempt'} came back at ${at}`,
    );
  }
  return breaches;
}
