/**
 * What a tick or a person makes of a model's alerts. Nothing here waits: the entity calls it in turns, and then writes
 * down and sends what came of it.
 *
 * A column that flaps would open and close its alert at every tick: so one found again soon is the same alert, and each
 * time it takes one quiet tick more to close it.
 */
import { alertsAtMost } from '../contracts/alerts.ts';
import type {
  Acknowledgement,
  AlertAnswer,
  AlertChange,
  AlertEntry,
  Book,
  BookAlert,
  BookSettings,
  Finding,
  Findings,
  Observed,
  Snooze,
} from '../contracts/alerts.ts';
import { Severity } from '../contracts/alert.ts';

/** Told ticks that are remembered: beyond them a tick is late, and counts at most. */
const ticksAtMost = 200;
const closedAtMost = 50;
/** More quiet ticks than this for flapping would keep what is over open for ever. */
const flapsAtMost = 10;
const dayMs = 86_400_000;
const unset: BookSettings = {
  ...{ owner: 'nobody', remindMs: 3 * dayMs, quietTicks: 1, reopenWithinMs: 3 * dayMs, sinks: [] },
};

/** What one message did: changes to be told, and new lines of histories, by alert. */
export interface Turn {
  changes: AlertChange[];
  touched: Map<BookAlert, AlertEntry[]>;
}
/** Who did it, and when by the clock. */
interface Act {
  by: string;
  at: string;
  detail: string;
}

export class AlertBook {
  readonly book: Book;
  #turn: Turn = { changes: [], touched: new Map() };

  constructor(book: Book) {
    this.book = book;
  }

  get settings(): BookSettings {
    return this.book.settings ?? unset;
  }

  get active(): BookAlert[] {
    return this.book.alerts.filter(({ state }) => state !== 'closed');
  }

  /** @returns what has happened since the last call */
  taken(): Turn {
    const turn = this.#turn;
    this.#turn = { changes: [], touched: new Map() };
    return turn;
  }

  observe(told: Findings, now: string): Observed {
    const { book } = this;
    if (book.ticks.includes(told.tick)) return this.#observed();
    book.ticks = [...book.ticks, told.tick].slice(-ticksAtMost);
    book.settings = told.settings ?? book.settings;
    const { from, until } = told.window;
    const isNew = (kind: Finding['kind']) => isAfter(until, book.judgedUntil[kind]);
    const findings = told.findings.toSorted((a, b) => rank(b.severity) - rank(a.severity));
    const fresh = findings.filter(({ kind }) => isNew(kind));
    for (const late of findings.filter(({ kind }) => !isNew(kind))) this.#foundLate(late, from);
    // Those that are not found first: they make room.
    const found = new Set(fresh.map(({ key }) => key));
    const missed = book.alerts.filter(({ kind, key }) => told.judged.includes(kind) && !found.has(key));
    for (const alert of missed) if (isNew(alert.kind)) this.#missed(alert, until, now);
    book.untold = 0;
    for (const finding of fresh) this.#found(finding, told.window, now);
    const judged = [...told.judged, ...fresh.map(({ kind }) => kind)].filter(isNew);
    for (const kind of judged) book.judgedUntil[kind] = until;
    this.#forget(until);
    return this.#observed();
  }

  #observed(): Observed {
    const count = (...names: string[]) =>
      this.#turn.changes.filter(({ change }) => names.includes(change)).length;
    return { opened: count('opened', 'reopened'), closed: count('closed'), open: this.active.length };
  }

  acknowledge({ alert: name, by, reason }: Acknowledgement, now: string): AlertAnswer {
    return this.#change(name, (alert) => {
      Object.assign(alert, { state: 'acknowledged', snoozedUntil: null, by, reason: short(reason) });
      this.#note(alert, 'acknowledged', { by, at: now, detail: reason });
    });
  }

  snooze({ alert: name, by, reason, until }: Snooze, now: string): AlertAnswer {
    if (!isAfter(until, now))
      return { accepted: false, code: 'past', detail: `${until} is over; it is ${now}` };
    return this.#change(name, (alert) => {
      Object.assign(alert, { state: 'snoozed', snoozedUntil: until, by, reason: short(reason) });
      this.#note(alert, 'snoozed', { by, at: now, detail: `until ${until}: ${reason}` });
    });
  }

  close({ alert: name, by, reason }: Acknowledgement, now: string): AlertAnswer {
    return this.#change(name, (alert) => {
      const closedAt = this.book.judgedUntil[alert.kind] ?? alert.last;
      Object.assign(alert, { hushed: true, by, reason: short(reason) });
      this.#close(alert, closedAt, { by, at: now, detail: reason });
    });
  }

  #change(name: Acknowledgement['alert'], change: (alert: BookAlert) => void): AlertAnswer {
    const named = this.book.alerts.filter(({ id, key }) => id === name || key === name);
    const alert = named.find(({ state }) => state !== 'closed') ?? named.at(-1);
    const { model } = this.book;
    if (!alert)
      return { accepted: false, code: 'unknown-alert', detail: `${model} has no open alert ${name}` };
    if (alert.state === 'closed')
      return { accepted: false, code: 'closed', detail: `alert ${alert.id} is closed` };
    change(alert);
    return { accepted: true, alert: { ...alert } };
  }

  #found(finding: Finding, window: Findings['window'], now: string): void {
    const { key, severity } = finding;
    const known = this.book.alerts.findLast((alert) => alert.key === key);
    const active = this.active.find((alert) => alert.key === key);
    const act = { by: 'monitor', at: now, detail: finding.message };
    if (active) this.#seenAgain(active, finding, window, act);
    else if (known?.hushed) this.#count(known, finding, window);
    else if (this.active.length >= alertsAtMost) this.book.untold++;
    else if (known && this.#isRecent(known, window.until)) {
      this.#count(known, finding, window);
      const again = { state: 'open', reopened: known.reopened + 1, peak: severity, closedAt: null };
      Object.assign(known, again, { by: null, reason: null });
      this.#tell(known, 'reopened', act);
    } else this.#tell(this.#open(finding, window), 'opened', act);
  }

  #open({ key, kind, severity, message, runbook }: Finding, window: Findings['window']): BookAlert {
    const alert: BookAlert = {
      ...{ id: this.book.nextId++, key, kind, severity, peak: severity, message },
      ...(runbook !== undefined && { runbook }),
      ...{ state: 'open', since: window.from, last: window.until, count: 1, quiet: 0, reopened: 0 },
      ...{ entries: 0, toldAt: null, snoozedUntil: null, closedAt: null, hushed: false },
      ...{ by: null, reason: null },
    };
    this.book.alerts.push(alert);
    return alert;
  }

  #seenAgain(alert: BookAlert, finding: Finding, window: Findings['window'], act: Act): void {
    const was = alert.peak;
    this.#count(alert, finding, window);
    const { snoozedUntil, toldAt } = alert;
    if (snoozedUntil !== null && !isAfter(snoozedUntil, act.at))
      Object.assign(alert, { state: 'open', snoozedUntil: null, by: null, reason: null });
    const isDue = toldAt === null || Date.parse(act.at) - Date.parse(toldAt) >= this.settings.remindMs;
    if (rank(finding.severity) > rank(was)) {
      alert.peak = finding.severity;
      this.#tell(alert, 'raised', { ...act, detail: `${was} → ${alert.peak}: ${act.detail}` }, was);
    } else if (alert.state === 'open' && isDue) this.#tell(alert, 'reminded', act);
    else this.#turn.changes.push({ change: 'updated', alert: { ...alert } });
  }

  #count(alert: BookAlert, { severity, message, runbook }: Finding, { until }: Findings['window']): void {
    Object.assign(alert, { severity, message, last: until, quiet: 0, count: alert.count + 1 });
    if (runbook === undefined) delete alert.runbook;
    else alert.runbook = runbook;
    this.#touch(alert);
  }

  /** A later tick has judged this kind already, and stands. */
  #foundLate({ key }: Finding, from: string): void {
    const alert = this.active.find((one) => one.key === key);
    if (!alert) return;
    alert.count++;
    if (isAfter(alert.since, from)) alert.since = from;
    this.#touch(alert);
  }

  #missed(alert: BookAlert, until: string, now: string): void {
    if (alert.state === 'closed') {
      if (alert.hushed) this.#touch(alert);
      alert.hushed = false;
      return;
    }
    alert.quiet++;
    this.#touch(alert);
    if (alert.quiet < this.settings.quietTicks + Math.min(alert.reopened, flapsAtMost)) return;
    const detail = `not found in ${alert.quiet} tick${alert.quiet === 1 ? '' : 's'}`;
    this.#close(alert, until, { by: 'monitor', at: now, detail });
  }

  #close(alert: BookAlert, closedAt: string, act: Act): void {
    Object.assign(alert, { state: 'closed', closedAt, snoozedUntil: null });
    this.#note(alert, 'closed', act);
    this.#turn.changes.push({ change: 'closed', alert: { ...alert } });
  }

  #tell(alert: BookAlert, change: 'opened' | 'raised' | 'reopened' | 'reminded', act: Act, was?: Severity) {
    alert.toldAt = act.at;
    this.#note(alert, change, act);
    this.#turn.changes.push({ change, alert: { ...alert }, ...(was && { was }) });
  }

  #note(alert: BookAlert, what: AlertEntry['what'], { by, at, detail }: Act): void {
    this.#touch(alert).push({ n: ++alert.entries, at, what, by, detail });
  }

  #touch(alert: BookAlert): AlertEntry[] {
    const entries = this.#turn.touched.get(alert) ?? [];
    this.#turn.touched.set(alert, entries);
    return entries;
  }

  #isRecent({ closedAt }: BookAlert, until: string): boolean {
    return closedAt !== null && Date.parse(until) - Date.parse(closedAt) <= this.settings.reopenWithinMs;
  }

  /** What is closed for long is in the store alone. Of those that a person closed the latest are kept, quiet or not. */
  #forget(until: string): void {
    const closed = this.book.alerts.filter(({ state }) => state === 'closed');
    const kept = new Set(
      closed.filter((one) => one.hushed || this.#isRecent(one, until)).slice(-closedAtMost),
    );
    this.book.alerts = this.book.alerts.filter((one) => one.state !== 'closed' || kept.has(one));
  }
}

/** The whole of it is in the alert's history. */
const short = (reason: string): string => reason.slice(0, 200);

export const rank = (severity: Severity): number => Severity.options.indexOf(severity);

function isAfter(moment: string, other: string | undefined): boolean {
  return other === undefined || Date.parse(moment) > Date.parse(other);
}
