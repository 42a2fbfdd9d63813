/** Questions that several checks ask of the evidence. Objects that do not fit their schema are left out: I10 tells. */
import { z } from 'zod';
import { AlertRecord, Book } from '../../../contracts/alerts.ts';
import { ApprovalRecord } from '../../../contracts/approval.ts';
import { Instant } from '../../../contracts/artifact.ts';
import { Batch, Drive, Driven, Heard } from '../../../contracts/inbox.ts';
import { Bar, Quarantine } from '../../../contracts/model.ts';
import { RolloutRecord } from '../../../contracts/rollout.ts';
import { Trigger } from '../../../contracts/lifecycle.ts';
import { PinnedProject } from '../../../contracts/project.ts';
import { Package, ReplicaStatus, Slots, VersionRecord } from '../../../contracts/serving.ts';
import { grouped } from './breach.ts';
import type { Evidence } from './evidence.ts';

/** Only what is judged: the shape may grow. */
export const Record = z.looseObject({
  stage: z.string(),
  lifecycleId: z.string(),
  seq: z.number().optional(),
  input: z.record(z.string(), z.unknown()),
  output: z.record(z.string(), z.unknown()),
  details: z.record(z.string(), z.unknown()),
});
export const Lease = z.looseObject({ seq: z.number() });
export const Spent = z.looseObject({
  ...{ requestId: z.string(), model: z.string(), version: z.number(), epoch: z.number() },
});
export const Push = z.looseObject({ digest: z.string(), file: z.string(), rows: z.number() });
/** A status that this release does not know is for I5 to find, not to overlook. */
export const LedgerEntry = z.object({ trigger: Trigger, disposition: z.looseObject({ status: z.string() }) });

/** Every kind of named object that the checker understands: its keys, its schema. The last group is a number. */
export const kinds = {
  current: [/^models\/([^/]+)\/current\.json$/, Slots],
  slots: [/^models\/([^/]+)\/slots\/(\d+)\.json$/, Slots],
  versions: [/^models\/([^/]+)\/versions\/(\d+)\.json$/, VersionRecord],
  quarantine: [/^models\/([^/]+)\/quarantine\/(\d+)\.json$/, Quarantine],
  bars: [/^models\/([^/]+)\/quarantine\/(\d+)\/\d+\.json$/, Bar],
  rollouts: [/^models\/([^/]+)\/rollouts\/(\d+)\/[^/]+\.json$/, RolloutRecord],
  approvals: [/^approvals\/([^/]+\/\d+)\/(\d+)\.json$/, ApprovalRecord],
  spent: [/^spent\/([^/]+\/\d+)\.json$/, Spent],
  events: [/^events\/([^/]+)\/.+\.json$/, LedgerEntry],
  records: [/^runs\/(lifecycle\/[^/]+\/\d+)\/([a-z]+)\/record\.json$/, Record],
  leases: [/^runs\/(lifecycle\/[^/]+\/\d+)\/([a-z]+)\/lease\.json$/, Lease],
  checkpoints: [
    /^runs\/(lifecycle\/[^/]+\/\d+)\/([a-z]+)\/checkpoint\.json$/,
    z.looseObject({ seq: z.number().optional() }),
  ],
  batches: [/^inbox\/log\/(\d+)\/(\d+)\.json$/, Batch],
  heard: [/^inbox\/heard\/(\d+)\/(\d+)\.json$/, Heard],
  drives: [/^inbox\/drives\/([^/]+\/(?:event|code))\/(\d+)\.json$/, Drive],
  driven: [/^inbox\/driven\/([^/]+\/(?:event|code))\/(\d+)\.json$/, Driven],
  pushes: [/^landed\/([^/]+)\/keys\/([0-9a-f]+)\.json$/, Push],
  books: [/^alerts\/([^/]+)\/book\.json$/, Book],
  alerts: [/^alerts\/([^/]+)\/(\d+)\.json$/, AlertRecord],
  replicas: [/^replicas\/(.+)\.json$/, ReplicaStatus],
} as const;
type Kind = keyof typeof kinds;

export interface Found<V> {
  key: string;
  /** The first group of the key: a model, a request, a lifecycle. */
  of: string;
  /** The second group, if there is one. */
  part: string;
  value: V;
}

export function all<K extends Kind>(evidence: Evidence, kind: K): Found<z.infer<(typeof kinds)[K][1]>>[] {
  const [pattern, schema] = kinds[kind];
  return Object.entries(evidence.objects).flatMap(([key, raw]) => {
    const match = pattern.exec(key);
    const parsed = match && schema.safeParse(raw);
    if (!parsed?.success) return [];
    const value = parsed.data as z.infer<(typeof kinds)[K][1]>;
    return [{ key, of: match![1] ?? '', part: match![2] ?? '', value }];
  });
}

/** By model, in order of their epochs. */
export function slotsByModel(evidence: Evidence): Map<string, Slots[]> {
  const ordered = all(evidence, 'slots').toSorted((a, b) => Number(a.part) - Number(b.part));
  return new Map(
    [...grouped(ordered, ({ of }) => of)].map(([model, found]) => [model, found.map(({ value }) => value)]),
  );
}

/** By request, in order of their numbers. */
export function approvalsByRequest(evidence: Evidence): Map<string, ApprovalRecord[]> {
  const ordered = all(evidence, 'approvals').toSorted((a, b) => Number(a.part) - Number(b.part));
  return new Map(
    [...grouped(ordered, ({ of }) => of)].map(([id, found]) => [id, found.map(({ value }) => value)]),
  );
}

export function versionOf(evidence: Evidence, model: string, version: number): VersionRecord | undefined {
  return VersionRecord.safeParse(evidence.objects[`models/${model}/versions/${version}.json`]).data;
}

export function packageOf(evidence: Evidence, record: VersionRecord): Package | undefined {
  return Package.safeParse(evidence.documents[record.package.sha256]).data;
}

export function projectOf(evidence: Evidence, digest: string): PinnedProject | undefined {
  return PinnedProject.safeParse(evidence.documents[digest]).data;
}

/** Each change of a model's slots; the first one has nothing before it. */
export function changes(slots: Slots[]): { before: Slots | undefined; after: Slots }[] {
  return slots.map((after, at) => ({ before: slots[at - 1], after }));
}

/** A rollout signs what it writes; anybody else who changes slots takes something back. */
export function byRollout(slots: Slots): boolean {
  return slots.by.startsWith(`rollout/${slots.model}/`);
}

export function inSlots(
  slots: Slots,
): { slot: 'champion' | 'challenger'; version: number; digest: string }[] {
  return (['champion', 'challenger'] as const).flatMap((slot) => {
    const held = slots[slot];
    return held ? [{ slot, version: held.version, digest: held.package.sha256 }] : [];
  });
}

export const isInstant = (text: unknown): text is string => Instant.safeParse(text).success;
