/**
 * The book of a model's alerts: entity workflow `alerts/<model>`, which alone opens, counts and closes them. A tick tells
 * it what it found; people acknowledge, snooze and close. A refusal is a value, so that it stays in the history.
 *
 * Windows are event time, so that a backfill reads as it would have at the time; whom to send what goes by the clock.
 */
import { z } from 'zod';
import { Sink } from './alert-settings.ts';
import { Instant, ModelName, Person, Reason, Window } from './artifact.ts';
import { AlertKind, Severity } from './alert.ts';
import type { TickSummary } from './monitor.ts';

/** Found in one tick, or open at one time. What is beyond is counted, and not told. */
export const alertsAtMost = 100;

const Key = z.string().min(1).max(200);
const Message = z.string().max(500);
const Count = z.int().nonnegative();

export const Finding = z.object({
  key: Key,
  kind: AlertKind,
  severity: Severity,
  message: Message,
  runbook: z.string().max(2_000).optional(),
});
export type Finding = z.infer<typeof Finding>;

/** A sink with its name, of which a book has no two. */
export const NamedSink = z.intersection(Sink, z.object({ name: z.string() }));
export type NamedSink = z.infer<typeof NamedSink>;

/** The project's settings, in ms: of the version that served at the last tick. */
export const BookSettings = z.object({
  owner: Person,
  remindMs: z.int().positive(),
  quietTicks: z.int().positive(),
  reopenWithinMs: z.int().positive(),
  sinks: z.array(NamedSink).max(11),
});
export type BookSettings = z.infer<typeof BookSettings>;

/** What a tick found. The same tick told again changes nothing. */
export const Findings = z.object({
  /** In ids of deliveries, so without a dot or a slash. */
  tick: z
    .string()
    .max(100)
    .regex(/^[\w-]+$/),
  window: Window,
  findings: z.array(Finding).max(alertsAtMost),
  /** Kinds that were looked at with enough to go by: what is not among the findings is well. */
  judged: z.array(AlertKind),
  /** Absent where no version serves: those of before stay. */
  settings: BookSettings.optional(),
});
export type Findings = z.infer<typeof Findings>;

export const AlertState = z.enum(['open', 'acknowledged', 'snoozed', 'closed']);
export type AlertState = z.infer<typeof AlertState>;

export const BookAlert = z.object({
  /** Counts per model, from 1. */
  id: z.int().positive(),
  key: Key,
  kind: AlertKind,
  severity: Severity,
  /** The worst since it was opened: sinks and their floors go by it. */
  peak: Severity,
  message: Message,
  runbook: z.string().optional(),
  state: AlertState,
  /** Of the first window that had it, and the end of the last. */
  since: Instant,
  last: Instant,
  /** Ticks that found it. */
  count: z.int().positive(),
  /** Ticks that did not, since the last that did. */
  quiet: Count,
  reopened: Count,
  /** Entries of its history so far. */
  entries: Count,
  /** By the clock, when somebody was told last. */
  toldAt: Instant.nullable(),
  snoozedUntil: Instant.nullable(),
  /** Event time. */
  closedAt: Instant.nullable(),
  /** A person closed it: not opened again until a tick has looked and not found it. */
  hushed: z.boolean(),
  /** Who acknowledged, snoozed or closed it last, and why. */
  by: Person.nullable(),
  reason: z.string().nullable(),
});
export type BookAlert = z.infer<typeof BookAlert>;

/** `alerts/<model>/book.json`, and what the entity carries across continue-as-new: open ones, and those closed lately. */
export const Book = z.object({
  model: ModelName,
  /** Grows with each writing, so that a late writer can tell. */
  revision: Count,
  nextId: z.int().positive(),
  settings: BookSettings.nullable(),
  alerts: z.array(BookAlert),
  /** Told already, oldest first. */
  ticks: z.array(z.string()),
  /** Until where each kind was judged: an earlier tick that comes late opens and closes nothing. */
  judgedUntil: z.partialRecord(AlertKind, Instant),
  /** Findings of the last tick that found no room. */
  untold: Count,
});
export type Book = z.infer<typeof Book>;

export const ChangeName = z.enum(['opened', 'raised', 'reopened', 'reminded', 'closed', 'updated']);
export type ChangeName = z.infer<typeof ChangeName>;

/** What happened to an alert, and how it stood then. `updated`: only for a receiver that wants to be told at each tick. */
export const AlertChange = z.object({
  change: ChangeName,
  alert: BookAlert,
  /** Of `raised`: how severe it was before. */
  was: Severity.optional(),
});
export type AlertChange = z.infer<typeof AlertChange>;

/** One line of an alert's history. `n` counts from 1. */
export const AlertEntry = z.object({
  n: z.int().positive(),
  at: Instant,
  what: z.enum(['opened', 'raised', 'reopened', 'reminded', 'closed', 'acknowledged', 'snoozed']),
  by: Person,
  detail: z.string(),
});
export type AlertEntry = z.infer<typeof AlertEntry>;

/** A message to one sink about some alerts. `state` is `pending` while it is tried, for days if need be. */
export const AlertDelivery = z.object({
  id: z.string(),
  sink: z.string(),
  change: ChangeName,
  state: z.enum(['pending', 'delivered', 'failed']),
  at: Instant,
  detail: z.string(),
});
export type AlertDelivery = z.infer<typeof AlertDelivery>;

/** `alerts/<model>/<id>.json`: readable without Temporal. Of long stories, the beginning and the end. */
export const AlertRecord = BookAlert.extend({
  model: ModelName,
  owner: Person,
  revision: Count,
  history: z.array(AlertEntry),
  deliveries: z.array(AlertDelivery),
});
export type AlertRecord = z.infer<typeof AlertRecord>;

/** Workflow `delivery/<model>/<tick, or alert and entry>/<sink>`: one message to one receiver. */
export const Delivery = z.object({
  id: z.string().max(500),
  model: ModelName,
  owner: Person,
  sink: NamedSink,
  /** When it happened; the same at each try. */
  at: Instant,
  window: Window.nullable(),
  changes: z.array(AlertChange).min(1),
});
export type Delivery = z.infer<typeof Delivery>;

/** Names an alert: by its number, or by its key, of which at most one is open. */
export const AlertName = z.union([z.int().positive(), Key]);

export const Acknowledgement = z.object({ alert: AlertName, by: Person, reason: Reason });
export type Acknowledgement = z.infer<typeof Acknowledgement>;
export const Snooze = Acknowledgement.extend({ until: Instant });
export type Snooze = z.infer<typeof Snooze>;

export const AlertAnswer = z.discriminatedUnion('accepted', [
  z.object({ accepted: z.literal(true), alert: BookAlert }),
  z.object({
    accepted: z.literal(false),
    code: z.enum(['unknown-alert', 'closed', 'past']),
    detail: z.string(),
  }),
]);
export type AlertAnswer = z.infer<typeof AlertAnswer>;

/** What became of a tick's findings; all zero for one that was told before. */
export interface Observed {
  opened: number;
  closed: number;
  open: number;
}

/** Update names with what they take and give. */
export interface AlertUpdates {
  observe: [Findings, Observed];
  acknowledge: [Acknowledgement, AlertAnswer];
  snooze: [Snooze, AlertAnswer];
  close: [Acknowledgement, AlertAnswer];
}

/** What changed, to be written down: the book, and of these alerts what is new in their stories. */
export interface BookWriting {
  book: Book;
  alerts: { id: number; entries: AlertEntry[]; deliveries: AlertDelivery[] }[];
}

export interface AlertActivities {
  /** Tells the model's book what a tick found; brings it to life if need be. */
  tellAlerts(input: { model: string; tick: TickSummary }): Promise<Observed>;
  /** For the book alone: what the store has of it. */
  recallAlerts(input: { model: string }): Promise<Book | null>;
  /** @returns the store's book where that is ahead of this one; nothing is written then */
  recordAlerts(writing: BookWriting): Promise<Book | null>;
  /**
   * For a book that begins anew, or finds itself in the past: starts what was written down and not started.
   *
   * @returns how many were
   */
  resumeDeliveries(input: { model: string }): Promise<number>;
  /** One try. @throws `DeliveryRefused` when no other try would end better */
  deliver(delivery: Delivery): Promise<{ answer: string }>;
  recordDelivery(input: { delivery: Delivery; state: 'delivered' | 'failed'; detail: string }): Promise<void>;
}
