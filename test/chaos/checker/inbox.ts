/** I5 of the gateway: every event that was acknowledged is in its ledger once, as it was sent, and has exactly one disposition. */
import type { AcceptedEvent, Drive, Driven } from '../../../contracts/inbox.ts';
import { EventDisposition } from '../../../contracts/inbox.ts';
import { sha256 } from '../../../infra/digest.ts';
import { canonicalJson } from '../../../infra/store/json.ts';
import { breachesOf, grouped, same } from './breach.ts';
import type { Breach } from './breach.ts';
import type { Evidence } from './evidence.ts';
import { all } from './facts.ts';
import type { Found } from './facts.ts';

interface Entry {
  seq: number;
  entry: AcceptedEvent;
  /** Who is to be told; null: nobody has said who listens. */
  to: string[] | null;
}

export function inbox(evidence: Evidence): Breach[] {
  const entries = entriesOf(evidence);
  const drives = drivesOf(evidence);
  return [
    ...ledger(evidence, entries),
    ...chains(evidence, drives),
    ...dispositions(entries, drives),
    ...triggers(evidence, entries, drives),
    ...acknowledged(evidence, entries, drives),
  ];
}

function entriesOf(evidence: Evidence): Entry[] {
  const heard = new Map(all(evidence, 'heard').map(({ value }) => [value.seq, value.to]));
  return all(evidence, 'batches').flatMap(({ value: { seq, events } }) =>
    events.map((entry, i) => ({ seq, entry, to: entry.to ?? heard.get(seq)?.[i] ?? null })),
  );
}

interface Driving extends Found<Drive> {
  driven: Driven | undefined;
}

/** By target, in order. */
function drivesOf(evidence: Evidence): Map<string, Driving[]> {
  const driven = new Map(all(evidence, 'driven').map(({ of, part, value }) => [`${of} ${part}`, value]));
  const drives = all(evidence, 'drives')
    .map((found) => ({ ...found, driven: driven.get(`${found.of} ${found.part}`) }))
    .toSorted((a, b) => Number(a.part) - Number(b.part));
  return grouped(drives, ({ of }) => of);
}

const nameOf = ({ caller, event }: AcceptedEvent): string => named(caller, event.source, event.id);
const named = (caller: string, source: string, id: string): string => JSON.stringify([caller, source, id]);

/** A chain without a gap, of what was sent, each name once. */
function ledger(evidence: Evidence, entries: readonly Entry[]): Breach[] {
  const { breaches, demand } = breachesOf('I5');
  const numbers = all(evidence, 'batches').map(({ part, value }) => [Number(part), value.seq] as const);
  for (const [at, [part, seq]] of numbers.toSorted(([a], [b]) => a - b).entries())
    demand(part === at && seq === at, `the ledger of events has a gap at batch ${at}`, numbers);
  for (const { seq, entry } of entries)
    demand(
      entry.digest === sha256(canonicalJson(entry.event)),
      `event ${nameOf(entry)} of batch ${seq} is not what its digest says`,
      entry,
    );
  for (const [name, same] of grouped(entries, ({ entry }) => nameOf(entry)))
    demand(
      same.length === 1,
      `event ${name} was accepted ${same.length} times`,
      same.map(({ seq }) => seq),
    );
  return breaches;
}

/** Drives of a target follow each other, and each has at most one answer, of its own trigger. */
function chains(evidence: Evidence, drives: ReadonlyMap<string, Driving[]>): Breach[] {
  const { breaches, demand } = breachesOf('I5');
  for (const [target, ordered] of drives) {
    for (const [i, { key, part, value, driven }] of ordered.entries()) {
      const after = ordered[i - 1]?.value.upTo ?? -1;
      demand(
        Number(part) === i + 1 && value.n === i + 1 && value.after === after && value.upTo > after,
        `drives of ${target} do not follow each other at ${key}`,
        { after, value },
      );
      demand(
        !driven || driven.trigger === value.trigger.id,
        `${key} was answered for another trigger, ${driven?.trigger}`,
        driven,
      );
    }
  }
  const known = new Set([...drives.values()].flat().map(({ of, part }) => `${of} ${part}`));
  for (const { key, of, part } of all(evidence, 'driven'))
    demand(known.has(`${of} ${part}`), `${key} answers for a drive that there is not`);
  return breaches;
}

function covering(drives: ReadonlyMap<string, Driving[]>, target: string, seq: number): Driving[] {
  return (drives.get(target) ?? []).filter(({ value }) => value.after < seq && seq <= value.upTo);
}

function dispositions(entries: readonly Entry[], drives: ReadonlyMap<string, Driving[]>): Breach[] {
  const { breaches, breach, demand } = breachesOf('I5');
  for (const { seq, entry, to } of entries) {
    const name = nameOf(entry);
    if (to === null) {
      breach(`nobody has said who listens to event ${name} of batch ${seq}`);
      continue;
    }
    demand(new Set(to).size === to.length, `event ${name} is for one target twice`, to);
    for (const target of to) {
      const found = covering(drives, target, seq);
      const answered = found.filter(({ driven }) => driven);
      demand(
        found.length === 1 && answered.length === 1,
        `event ${name} has ${answered.length} dispositions of ${target}`,
        found.map(({ key, driven }) => [key, driven?.disposition]),
      );
    }
  }
  return breaches;
}

/** What the drives say of their triggers the models' ledgers say, too, once; and nothing else says it is of an event. */
function triggers(
  evidence: Evidence,
  entries: readonly Entry[],
  drives: ReadonlyMap<string, Driving[]>,
): Breach[] {
  const { breaches, demand } = breachesOf('I5');
  const filed = grouped(all(evidence, 'events'), ({ of, value }) => `${of} ${value.trigger.id}`);
  for (const { key, of, value, driven } of [...drives.values()].flat()) {
    const inLedger = filed.get(`${value.model} ${value.trigger.id}`) ?? [];
    const behind = entries.filter(
      ({ seq, to }) => to?.includes(of) && value.after < seq && seq <= value.upTo,
    );
    demand(behind.length > 0, `${key} carries no event that was accepted`, value);
    if (!driven) continue;
    const { disposition } = driven;
    const refused = disposition.status === 'ignored' && disposition.why.startsWith('refused: ');
    const isSaid = inLedger.length === 1 && same(inLedger[0]!.value.disposition, disposition);
    demand(
      refused ? inLedger.length === 0 : isSaid,
      `${key} says what became of ${value.trigger.id}, and the ledger of ${value.model} does not`,
      { disposition, filed: inLedger.map(({ value: entry }) => entry.disposition) },
    );
  }
  const carried = new Set(
    [...drives.values()].flat().map(({ value }) => `${value.model} ${value.trigger.id}`),
  );
  for (const { key, of, value } of all(evidence, 'events')) {
    if (value.trigger.kind !== 'event' && value.trigger.kind !== 'code') continue;
    demand(carried.has(`${of} ${value.trigger.id}`), `${key} is of an event, and none was accepted for it`);
  }
  return breaches;
}

/** What senders were told. */
function acknowledged(
  evidence: Evidence,
  entries: readonly Entry[],
  drives: ReadonlyMap<string, Driving[]>,
): Breach[] {
  const { breaches, breach, demand } = breachesOf('I5');
  const byName = new Map(entries.map((one) => [nameOf(one.entry), one]));
  for (const one of evidence.acknowledged) {
    if (one.kind !== 'event' && one.kind !== 'event-conflict') continue;
    const name = named(one.caller, one.source, one.id);
    const found = byName.get(name);
    if (!found) {
      breach(`event ${name} was answered for and is not in the ledger`, one);
      continue;
    }
    const isIt = found.entry.digest === one.digest;
    if (one.kind === 'event-conflict')
      demand(!isIt, `event ${name} was refused as another, and is the very same`, one);
    else demand(isIt, `event ${name} is in the ledger with another content than was acknowledged`, one);
    if (one.kind === 'event' && one.disposition)
      demand(
        same(one.disposition, dispositionOf(found, drives)),
        `event ${name} has another disposition than its sender was told`,
        { told: one.disposition, found: dispositionOf(found, drives) },
      );
  }
  return breaches;
}

/** As the gateway words it. */
function dispositionOf({ seq, entry, to }: Entry, drives: ReadonlyMap<string, Driving[]>): unknown {
  if (to?.length === 0)
    return { status: 'ignored', why: `no model listens to ${entry.event.type} of ${entry.event.source}` };
  const models = (to ?? []).map((target) => {
    const [drive] = covering(drives, target, seq);
    const { trigger, disposition } = drive?.driven ?? {};
    return { model: drive?.value.model, trigger, disposition };
  });
  return EventDisposition.safeParse({ status: 'told', models }).data ?? null;
}
