/** I4, I5 and I6 of alerts: each is opened once, its story has no gap, and everybody who was to be told was. */
import type { MonitorOutcome } from '../../../contracts/monitor.ts';
import { breachesOf, grouped } from './breach.ts';
import type { Breach } from './breach.ts';
import type { Evidence } from './evidence.ts';
import { all } from './facts.ts';
import { latest, resultOf, runsOf } from './history.ts';

/** Longer stories are kept without their middle. */
const linesAtMost = 200;

export function alerts(evidence: Evidence): Breach[] {
  return [...stories(evidence), ...told(evidence), ...found(evidence)];
}

function stories(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I4');
  const records = all(evidence, 'alerts');
  for (const { key, value } of records) {
    const numbers = value.history.map(({ n }) => n);
    const whole = numbers.length >= linesAtMost || numbers.every((n, at) => n === at + 1);
    demand(whole && numbers.at(-1) === value.entries, `the story of ${key} has a gap`, numbers);
  }
  const open = records.filter(({ value }) => value.state !== 'closed');
  for (const [about, same] of grouped(open, ({ of, value }) => `${of} ${value.key}`))
    demand(
      same.length === 1,
      `${about} is open ${same.length} times`,
      same.map(({ key }) => key),
    );
  return breaches;
}

/** A delivery that somebody terminated cannot say so. */
function told(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I5');
  for (const { key, value } of all(evidence, 'alerts')) {
    for (const { id, sink, state } of value.deliveries) {
      const excused = latest(runsOf(evidence, id))?.status === 'TERMINATED';
      demand(state === 'delivered' || excused, `${key}: ${sink} was not told (${state})`, id);
    }
  }
  return breaches;
}

/** What a tick found was in some book: a kind that a later tick had judged before it is not opened any more. */
function found(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I5');
  const books = new Map(all(evidence, 'books').map(({ of, value }) => [of, value]));
  for (const run of evidence.runs.filter(
    ({ type, status }) => type === 'monitor' && status === 'COMPLETED',
  )) {
    const outcome = resultOf(run) as MonitorOutcome | undefined;
    const model = run.workflowId.split('/')[1]!;
    const keys = all(evidence, 'alerts').flatMap(({ of, value }) => (of === model ? [value.key] : []));
    for (const { kind, key = kind } of outcome?.tick.alerts ?? [])
      demand(
        keys.includes(key),
        `${run.workflowId} found ${key}, and no alert tells of it`,
        books.get(model),
      );
  }
  return breaches;
}
