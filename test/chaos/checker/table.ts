/** One page of text: what was done to the system, what it promised meanwhile, and which promises it broke. */
import { invariants } from './breach.ts';
import type { Breach } from './breach.ts';
import type { Evidence } from './evidence.ts';
import { isUpstream } from './histories.ts';

/** Breaches are listed below the counts, at most this many of each invariant. */
const shown = 5;

export function table(evidence: Evidence, breaches: Breach[]): string {
  const { disturbances, acknowledged, runs, predictions, blobs } = evidence;
  const promised = acknowledged.flatMap((one) =>
    one.kind === 'prediction' || one.kind === 'label' ? one.ids.map(() => one.kind) : [one.kind],
  );
  const looked = {
    ...{ runs: runs.length, predictions: predictions.length, blobs: Object.keys(blobs).length },
    'histories with the SDK fault 1591': evidence.replays.filter(({ error }) => isUpstream(error)).length,
  };
  const names = Object.keys(invariants) as (keyof typeof invariants)[];
  const broken = names.map((name) => {
    const count = breaches.filter(({ invariant }) => invariant === name).length;
    return [`${name.padEnd(4)} ${invariants[name]}`, count] as const;
  });
  return [
    ...section('faults', countsOf(disturbances.map(({ kind }) => kind))),
    ...section('acknowledged', countsOf(promised)),
    ...section('looked at', Object.entries(looked)),
    ...section('breaches', broken),
    ...names.flatMap((name) => listed(breaches.filter(({ invariant }) => invariant === name))),
  ].join('\n');
}

function countsOf(names: string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].toSorted(([a], [b]) => a.localeCompare(b));
}

function section(title: string, rows: readonly (readonly [string, number])[]): string[] {
  const lines = rows.map(([name, count]) => `  ${name.padEnd(44)} ${String(count).padStart(8)}`);
  return [title, ...(lines.length > 0 ? lines : ['  none']), ''];
}

function listed(breaches: Breach[]): string[] {
  const lines = breaches
    .slice(0, shown)
    .map(({ invariant, claim, evidence }) => `${invariant}: ${claim}\n    ${evidence}`);
  return breaches.length > shown ? [...lines, `    … and ${breaches.length - shown} more`] : lines;
}
